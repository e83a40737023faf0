"""Resizing as Pillow did it up to version 8 (later versions take the two passes of a filter in another order), and a CMYK image."""

import numpy as np
import PIL
from PIL import Image

import fixtures

assert int(PIL.__version__.split(".")[0]) <= 8
random = np.random.RandomState(7)
arrays = {}
for number, (height, width, size) in enumerate([(37, 53, 16), (61, 47, 33), (20, 31, 45), (101, 64, 64), (499, 3, 50)]):
    # Smooth noise: random values, blurred by resizing up, so that filters have something to disagree about.
    small = random.randint(0, 256, (max(2, height // 2), max(2, width // 2), 3)).astype(np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.BICUBIC)
    arrays["%d.image" % number] = np.array(image)
    arrays["%d.nearest" % number] = np.array(image.resize((size, size), Image.NEAREST))
    arrays["%d.bilinear" % number] = np.array(image.resize((size, size), Image.BILINEAR))
fixtures.write("crates/data/tests/fixtures/resize.safetensors", arrays)

Image.new("CMYK", (8, 8), (10, 20, 30, 40)).save("crates/data/tests/fixtures/cmyk.jpg")
