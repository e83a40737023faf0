"""Resizing as Pillow does it, on random images of odd sizes."""

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

random = np.random.default_rng(7)
fixtures = {}
for number, (height, width, size) in enumerate([(37, 53, 16), (61, 47, 33), (20, 31, 45), (101, 64, 64), (499, 3, 50)]):
    # Smooth noise: random values, blurred by resizing up, so that filters have something to disagree about.
    small = random.integers(0, 256, (max(2, height // 2), max(2, width // 2), 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.BICUBIC)
    fixtures[f"{number}.image"] = torch.tensor(np.array(image))
    fixtures[f"{number}.nearest"] = torch.tensor(np.array(image.resize((size, size), Image.NEAREST)))
    fixtures[f"{number}.bilinear"] = torch.tensor(np.array(image.resize((size, size), Image.BILINEAR)))
save_file(fixtures, "crates/data/tests/fixtures/resize.safetensors")
