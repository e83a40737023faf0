"""PyTorch's, ONNX Runtime's, OpenVINO's and Pillow's side of versus_pytorch.py: runs the stage named on each line and prints the seconds."""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
import torchvision
from PIL import Image

BATCH, SIZE = 20, 150


def features(base):
    """A network without its pooling and classifier, untrained."""
    torch.manual_seed(0)
    if base == "efficientnet_lite0":
        import timm

        model = timm.create_model("tf_efficientnet_lite0")
        return torch.nn.Sequential(model.conv_stem, model.bn1, model.blocks, model.conv_head, model.bn2)
    model = getattr(torchvision.models, base)(weights=None)
    return model.features if hasattr(model, "features") else torch.nn.Sequential(*list(model.children())[:-2])


def onnx_runtime(file):
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {"pixels": pixels})[0]


def openvino(file, hint):
    """All cores, and 32-bit floats, where OpenVINO itself takes 16 bits if the processor can. For latency the batch is one request, for throughput
    its images are requests of their own, of which some run side by side."""
    import numpy
    from openvino import AsyncInferQueue, Core

    settings = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": os.cpu_count()}
    compiled = Core().compile_model(file, "CPU", settings)
    if hint == "LATENCY":
        request = compiled.create_infer_request()
        return lambda pixels: request.infer({0: pixels}, share_inputs=True, share_outputs=True)[0]
    output = numpy.empty((BATCH, *compiled.output(0).shape[1:]), numpy.float32)
    queue = AsyncInferQueue(compiled)
    queue.set_callback(lambda request, image: output.__setitem__(image, request.get_output_tensor(0).data[0]))

    def run(pixels):
        for image in range(BATCH):
            queue.start_async({0: pixels[image : image + 1]}, image, share_inputs=True)
        queue.wait_all()
        return output

    return run


# How a network's file is run, and the images of a request.
RUNTIMES = {
    "onnxruntime": (onnx_runtime, BATCH),
    "openvino_latency": (lambda file: openvino(file, "LATENCY"), BATCH),
    "openvino_throughput": (lambda file: openvino(file, "THROUGHPUT"), 1),
}


def runtime(base, name):
    """A runtime for frozen networks. It normalises within the convolutions, as all of them do."""
    model, pixels = features(base).eval(), torch.rand(BATCH, 3, SIZE, SIZE)
    start, images = RUNTIMES[name]
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "network.onnx")
        torch.onnx.export(model, (pixels[:images],), file, input_names=["pixels"], dynamo=False)
        run = start(file)
    with torch.inference_mode():
        expected = model(pixels)
    error = (torch.from_numpy(run(pixels.numpy())) - expected).norm() / expected.norm()
    if not error < 1e-4:
        sys.exit(f"{name} computes {base} with a relative error of {error:.0e}, which are no 32-bit floats")
    pixels = pixels.numpy()
    return lambda: run(pixels)


def network(base, what, layout):
    if layout in RUNTIMES:
        return runtime(base, layout)
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
