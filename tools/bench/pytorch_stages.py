"""PyTorch's and Pillow's side of versus_pytorch.py: runs the stage named on each line and prints the seconds."""

import resource
import sys
import time
from pathlib import Path

import torch
import torchvision
from PIL import Image

BATCH, SIZE = 20, 150


def network(base, what, layout):
    torch.manual_seed(0)
    build = {"vgg16": torchvision.models.vgg16, "squeezenet1_0": torchvision.models.squeezenet1_0}[base]
    form = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = build(weights=None).features.to(memory_format=form)
    pixels = torch.rand(BATCH, 3, SIZE, SIZE).contiguous(memory_format=form)
    if what == "forward":
        model.requires_grad_(False)

        def run():
            with torch.inference_mode():
                model(pixels)

        return run
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-5, alpha=0.9, eps=1e-8)

    def run():
        optimizer.zero_grad(set_to_none=True)
        model(pixels).square().mean().backward()
        optimizer.step()

    return run


def head(kind):
    torch.manual_seed(0)
    features = torch.rand(2000, 8192)
    model = torch.nn.Sequential(torch.nn.Linear(8192, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-5, alpha=0.9, eps=1e-8, foreach=kind == "foreach")
    labels = torch.tensor([0.0, 1.0]).repeat(BATCH // 2)

    def run():
        for first in range(0, len(features), BATCH):
            optimizer.zero_grad(set_to_none=True)
            logits = model(features[first : first + BATCH]).squeeze(1)
            torch.nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
            optimizer.step()

    return run


def decode(folder):
    files = sorted(file for file in (Path(folder) / "train").glob("*/*") if file.is_file())[:500]

    def run():
        for file in files:
            with Image.open(file) as image:
                image.convert("RGB").resize((SIZE, SIZE), Image.NEAREST)

    return run


def main():
    known = {}
    for line in sys.stdin:
        words = line.split()
        if words == ["peak"]:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)
            continue
        if line not in known:
            known[line] = head(words[2]) if words[0] == "head" else decode(words[1]) if words[0] == "decode" else network(*words)
        start = time.perf_counter()
        known[line]()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
