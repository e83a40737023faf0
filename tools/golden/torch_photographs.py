"""EfficientNet-Lite0's ImageNet weights on photographs by timm, whose `tf_efficientnet_lite0` is the published network.

    python tools/golden/torch_photographs.py SHARED THAW    # torch, timm, pillow; SHARED holds data/ and weights/, THAW is the program

Writes `crates/train/tests/fixtures/efficientnet_photographs.safetensors`: every sixteenth number of the features `[height, width, channels]`; pixels are
(x − 127) / 128. The two programs' JPEG decoders differ, so the pixels are thaw's; how far timm's features with Pillow's pixels are away is printed.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

import fixtures
from efficientnet_names import rename

SHARED, THAW = sys.argv[1:]
model = timm.create_model("tf_efficientnet_lite0").eval()
state = rename(model, load_file(os.path.join(SHARED, "weights/efficientnet_lite0.safetensors")))
print(model.load_state_dict(state, strict=True))
photographs = [os.path.join(kind, file) for kind in ("cats", "dogs") for file in sorted(os.listdir(os.path.join(SHARED, "data/cats_and_dogs_small/test", kind)))[:2]]
written = {}
for photograph in photographs:
    path = os.path.join(SHARED, "data/cats_and_dogs_small/test", photograph)
    for size in (150, 224):
        with tempfile.TemporaryDirectory() as folder:
            png = os.path.join(folder, "pixels.png")
            subprocess.check_call([THAW, "preview", "--image", path, "--size", str(size), "--output", png], stdout=subprocess.DEVNULL)
            of_thaw = np.asarray(Image.open(png).convert("RGB"), np.float32)
        of_pillow = np.asarray(Image.open(path).convert("RGB").resize((size, size), Image.NEAREST), np.float32)
        x = torch.from_numpy((np.stack([of_thaw, of_pillow]) - 127) / 128).permute(0, 3, 1, 2)
        with torch.no_grad():
            features = model.forward_features(x)
            classes = model(x).argmax(1).tolist()
        away = float((features[0] - features[1]).norm() / features[1].norm())
        print(f"{photograph} at {size}: ImageNet's class {classes[0]}; with Pillow's own pixels {classes[1]}, the features {away:.1e} away")
        written[f"tf/{size}/{photograph}"] = features[0].permute(1, 2, 0).flatten()[::16].contiguous().numpy()
fixtures.write("crates/train/tests/fixtures/efficientnet_photographs.safetensors", written)
