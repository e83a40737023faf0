"""PyTorch's, ONNX Runtime's and Pillow's side of versus_pytorch.py: runs the stage named on each line and prints the seconds."""

import resource
import sys
import tempfile
import time
from pathlib import Path

import onnxruntime
import timm
import torch
import torchvision
from PIL import Image

BATCH, SIZE = 20, 150


def features(base):
    """A network without its pooling and classifier, untrained."""
    torch.manual_seed(0)
    if base == "efficientnet_lite0":
        model = timm.create_model("tf_efficientnet_lite0")
        return torch.nn.Sequential(model.conv_stem, model.bn1, model.blocks, model.conv_head, model.bn2)
    model = getattr(torchvision.models, base)(weights=None)
    return model.features if hasattr(model, "features") else torch.nn.Sequential(*list(model.children())[:-2])


def onnx_runtime(base):
    """ONNX Runtime on all cores; it normalises within the convolutions, as every runtime for frozen networks does."""
    model, pixels = features(base).eval(), torch.rand(BATCH, 3, SIZE, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "network.onnx")
        torch.onnx.export(model, (pixels,), file, input_names=["pixels"], dynamo=False)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    values = pixels.numpy()
    return lambda: session.run(None, {"pixels": values})


def network(base, what, layout):
    if layout == "onnxruntime":
        return onnx_runtime(base)
    form = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = features(base).to(memory_format=form)
    pixels = torch.rand(BATCH, 3, SIZE, SIZE).contiguous(memory_format=form)
    if what == "forward":
        model.requires_grad_(False).eval()

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
