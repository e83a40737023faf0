"""Times thaw's stages against PyTorch, ONNX Runtime, Pillow and Keras on the same machine, in turn, and writes the table in docs/performance.md.

    python3 tools/bench/versus_pytorch.py [--rounds 7] [--images FOLDER] [--keras PYTHON] [--only BASE …] [--dry-run]

The packages go into a virtual environment outside the repository ($THAW_BENCH_ENVIRONMENT, else ~/.cache/thaw/bench). In every round each side
runs each stage up to five times within two seconds, one side after the other, and the last time counts; a ratio is the median over rounds of the other side's seconds divided by thaw's. PyTorch runs with both
memory layouts and with both of its RMSprops, and the faster one counts. `--images` is a dataset folder for the decoding stage; `--keras` is a
Python 3.6 with keras 2.0.8 (see tools/golden/README.md) for the augmentation stage. Without them those rows are left out.
"""

import argparse
import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = Path(os.environ.get("THAW_BENCH_ENVIRONMENT", Path.home() / ".cache/thaw/bench"))
REQUIREMENTS = ["torch==2.15.0", "torchvision", "timm==1.0.31", "onnx", "onnxruntime", "numpy==2.4.6", "pillow", "safetensors"]
BASES = {
    "vgg16": "VGG16",
    "squeezenet1_0": "SqueezeNet 1.0",
    "resnet18": "ResNet-18",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Worker:
    """A program that runs the stage named on each line of its standard input and prints the seconds."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, stage):
        print(stage, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.process.args} ended at the stage `{stage}`")
        return float(answer)

    def warm(self, stage):
        """The seconds of a run as in the middle of training: right after others, the first of which find memory and threads asleep."""
        # The threads of the other side go on for a moment after their work, on the cores of whoever is next.
        time.sleep(0.3)
        start = time.perf_counter()
        for _ in range(5):
            seconds = self.run(stage)
            if time.perf_counter() - start > 2:
                break
        return seconds

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def environment():
    """The Python of the virtual environment, made when it is missing."""
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.check_call([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS])
    return python


def stages_binary():
    """Builds thaw's side."""
    subprocess.check_call(["cargo", "build", "--release", "--workspace", "--example", "stages"], cwd=ROOT)
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return Path(target) / "release/examples/stages"


def medians(rounds, stage, ours, theirs):
    """Seconds of both sides and the ratio, medians over interleaved rounds; `theirs` maps variants to functions and the fastest counts."""
    mine, others = [], {name: [] for name in theirs}
    ours(), [run() for run in theirs.values()]
    for _ in range(rounds):
        mine.append(ours())
        for name, run in theirs.items():
            others[name].append(run())
    best = min(others, key=lambda name: statistics.median(others[name]))
    ratio = statistics.median(other / own for own, other in zip(mine, others[best]))
    print(f"{stage}: thaw {statistics.median(mine):.4f} s, {best} {statistics.median(others[best]):.4f} s, ratio {ratio:.2f}", flush=True)
    return statistics.median(mine), best, statistics.median(others[best]), ratio


def peak(command, stages):
    """Peak memory in MiB of a process that runs nothing but some stages."""
    worker = Worker(command)
    for stage in stages:
        worker.run(stage)
    result = worker.run("peak")
    worker.close()
    return result


def cpu():
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*:\s*(.*)", text)
    flags = set(text.split())
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{model.group(1) if model else platform.processor()}, {os.cpu_count()} cores, {vectors}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=Path, help="a dataset folder with train/<class>/<image>")
    parser.add_argument("--keras", type=Path, help="a Python with keras 2.0.8")
    parser.add_argument("--only", nargs="+", choices=BASES, help="print the rows of some bases and do nothing else")
    parser.add_argument("--dry-run", action="store_true", help="print the table instead of writing it")
    options = parser.parse_args()

    python, binary = environment(), stages_binary()
    other_side = [python, ROOT / "tools/bench/pytorch_stages.py"]
    ours, torch = Worker([binary]), Worker(other_side)
    rows = []

    def compare(stage, title, work, unit, variants, worker=torch):
        theirs = {name: lambda argument=argument: worker.warm(argument) for name, argument in variants.items()}
        own, best, other, ratio = medians(options.rounds, stage, lambda: ours.warm(stage), theirs)
        rows.append((title, f"{work / own:,.0f} {unit}" if work / own >= 100 else f"{work / own:.1f} {unit}",
                     f"{work / other:,.0f} {unit}" if work / other >= 100 else f"{work / other:.1f} {unit}", best, f"{ratio:.2f}"))
        return own

    for base, name in BASES.items():
        if options.only and base not in options.only:
            continue
        for what, title in [("forward", "forward"), ("train", "forward, backward, RMSprop")]:
            layouts = {layout: f"{base} {what} {layout}" for layout in ["channels_last", "contiguous"]}
            compare(f"{base} {what}", f"{name}, {title}", 20, "images/s", layouts)
            if what == "forward":
                runtime = {"ONNX Runtime": f"{base} forward onnxruntime"}
                compare(f"{base} forward", f"{name}, forward", 20, "images/s", runtime)
    if options.only:
        return print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    kinds = {"RMSprop(foreach=True)": "head epoch foreach", "RMSprop(foreach=False)": "head epoch loop"}
    head = compare("head epoch", "head, an epoch of 2,000 × 8,192 features", 2000, "images/s", kinds)
    if options.images:
        stage = f"decode {options.images}"
        compare(stage, "decode and resize photographs, all cores", 500, "images/s", {"Pillow, one process": stage})
    if options.keras:
        keras = Worker([options.keras, ROOT / "tools/bench/keras_stages.py"])
        compare("augment", "augmentation of Keras 2.0.8, all cores", 500, "images/s", {"ImageDataGenerator, one process": "augment"}, keras)
        keras.close()
    ours.run("copy")
    copied = 2 * 2**28 / statistics.median(ours.run("copy") for _ in range(options.rounds))
    # A step reads the weights going forward, then reads and writes weights and running means.
    per_step = (8192 * 256 + 256) * 4 * 5
    traffic = per_step * 100 / head
    ours.close(), torch.close()
    own_peak = peak([binary], ["vgg16 train"] * 3)
    other_peak = min(peak(other_side, [f"vgg16 train {layout}"] * 3) for layout in ["channels_last", "contiguous"])
    rows.append(("peak memory, training VGG16", f"{own_peak:,.0f} MiB", f"{other_peak:,.0f} MiB", "the smaller layout", f"{other_peak / own_peak:.2f}"))

    versions = subprocess.check_output([python, "-c", "import torch; print(torch.__version__)"], text=True).strip()
    commit = subprocess.check_output(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, text=True).strip()
    rust = subprocess.check_output(["rustc", "--version"], text=True).split()[1]
    lines = [
        f"{datetime.date.today()}, commit {commit}, Rust {rust}, PyTorch {versions}; {cpu()}. Batches of 20 at 150×150; medians of {options.rounds} rounds.",
        "",
        "| stage | thaw | the other side | its best variant | ratio |",
        "| --- | ---: | ---: | --- | ---: |",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"The head moves {per_step / 2**20:.0f} MiB per step at {traffic / 1e9:.1f} GB/s, {100 * traffic / copied:.0f} % of what copying memory "
        f"reaches here ({copied / 1e9:.1f} GB/s read and written).",
    ]
    text = "\n".join(lines)
    if options.dry_run:
        print(text)
        return
    page = ROOT / "docs/performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    print(f"written to {page}")


if __name__ == "__main__":
    main()
