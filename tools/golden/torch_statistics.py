"""The accident of BatchNorm in a frozen base, made by PyTorch itself on photographs, seed for seed beside thaw: EfficientNet-Lite0's ImageNet weights,
`requires_grad = False` throughout, global average pooling, dropout 0.2, one unit, Adam(1e-3), batches of 20, 5 epochs; with `eval()`, with `train()` but BatchNorm's
momentum 0, so that the moving statistics stay, and with `train()`.

    python tools/golden/torch_statistics.py SHARED CACHE OUTPUT.csv [SEEDS]    # torch, timm, pillow

SHARED holds data/ and weights/, CACHE is the cache of `thaw sweep experiments/efficientnet.toml` on them, whose decoded pixels are used: another JPEG decoder would
give slightly others. Order, initial weights and dropout masks are those of thaw's streams (`streams.py`). Writes the validation accuracy of each epoch and how many
tensors of the base moved.
"""

import csv
import glob
import os
import sys

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

import streams
from efficientnet_names import rename

SHARED, CACHE, OUTPUT = sys.argv[1:4]
SEEDS = [int(seed) for seed in sys.argv[4].split(",")] if len(sys.argv) > 4 else [0, 1, 2]
WIDTH, RATE = 1280, 0.2
torch.set_num_threads(2)


def split(name):
    images, labels = [], []
    for label, kind in enumerate(["cats", "dogs"]):
        folder = os.path.join(SHARED, "data/cats_and_dogs_small", name, kind)
        for file in sorted(os.listdir(folder)):
            images.append(np.asarray(Image.open(os.path.join(folder, file)).convert("RGB").resize((150, 150), Image.NEAREST)))
            labels.append(label)
    by_pillow = np.stack(images)  # with a NEAREST that picks other pixels here and there
    for path in glob.glob(os.path.join(CACHE, "pixels/*.safetensors")):
        pixels = load_arrays(path)["values"]
        if pixels.shape == by_pillow.shape and np.abs(pixels[::50].astype(int) - by_pillow[::50]).mean() < 20:
            scaled = (pixels.astype(np.float32) - 127) / 128
            return torch.from_numpy(scaled).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last), torch.tensor(labels, dtype=torch.float32)
    raise SystemExit(f"{CACHE} holds no decoded {name} images at 150x150 pixels: run `thaw sweep experiments/efficientnet.toml --cache {CACHE}` first")


train, validation = split("train"), split("validation")
with open(OUTPUT, "w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["run", "epoch", "val_acc", "moved", "tensors"])
    for seed in SEEDS:
        for mode in ("eval", "momentum 0", "train"):
            base = timm.create_model("tf_efficientnet_lite0")
            base.load_state_dict(rename(base, load_file(os.path.join(SHARED, "weights/efficientnet_lite0.safetensors"))), strict=True)
            for module in base.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    # TensorFlow's 0.99, which timm does not carry over.
                    module.momentum = 0.0 if mode == "momentum 0" else 0.01
            base.requires_grad_(False).to(memory_format=torch.channels_last)
            loaded = {name: tensor.clone() for name, tensor in base.state_dict().items()}
            # torch.nn.Linear's distribution, from thaw's streams: tensor 1 are the weights, 3 the bias.
            bound = WIDTH**-0.5
            weights, bias = [(2 * streams.units(seed, streams.INITIALIZE, 0, [tensor], count)[0] - 1) * bound for tensor, count in ((1, WIDTH), (3, 1))]
            unit = torch.nn.Linear(WIDTH, 1)
            with torch.no_grad():
                unit.weight.copy_(torch.from_numpy(weights)[None])
                unit.bias.copy_(torch.from_numpy(bias))
            optimizer = torch.optim.Adam(unit.parameters(), lr=1e-3)
            features = lambda images: base.forward_features(images).mean((2, 3))
            for epoch in range(5):
                base.train(mode != "eval")
                order = streams.permutation(seed, streams.SHUFFLE, epoch, len(train[1]))
                for batch in torch.tensor(order).split(20):
                    kept = streams.units(seed, streams.DROPOUT, epoch, batch.numpy(), WIDTH) >= RATE
                    mask = torch.from_numpy(kept.astype(np.float32) / (1 - RATE))
                    loss = torch.nn.functional.binary_cross_entropy_with_logits(unit(features(train[0][batch]) * mask).squeeze(1), train[1][batch])
                    optimizer.zero_grad(), loss.backward(), optimizer.step()
                base.eval()
                with torch.inference_mode():
                    right = sum(((unit(features(images)).squeeze(1) > 0) == (labels > 0.5)).sum().item()
                                for images, labels in zip(validation[0].split(50), validation[1].split(50)))
                counted = {name: tensor for name, tensor in base.state_dict().items() if not name.startswith("classifier") and "num_batches" not in name}
                moved = sum(not torch.equal(loaded[name], tensor) for name, tensor in counted.items())
                table.writerow([f"{mode} seed {seed}", epoch + 1, f"{right / len(validation[1]):.6f}", moved, len(counted)])
                file.flush()
                print(mode, seed, epoch + 1, right / len(validation[1]), f"{moved} of {len(counted)} moved", flush=True)
