"""Times thaw's stages against PyTorch, ONNX Runtime, OpenVINO, Pillow and Keras on the same machine, in turn, and writes docs/performance.md.

    python3 tools/bench/versus_pytorch.py [--rounds 7] [--images FOLDER] [--keras PYTHON] [--only BASE …] [--dry-run | --check] [--record]

The packages go into a virtual environment outside the repository ($THAW_BENCH_ENVIRONMENT, else ~/.cache/thaw/bench). In every round each side
runs each stage twice or, within two seconds, up to five times, one side after the other, and the last time counts; a ratio is the median over rounds of the
other side's seconds divided by thaw's. PyTorch runs with both memory layouts and with both of its RMSprops, OpenVINO for latency and for throughput,
and the fastest one counts. `--images` is a dataset folder for the decoding stage; `--keras` is a Python 3.6 with keras 2.0.8 (see
tools/golden/README.md) for the augmentation stage. Without them those rows are left out.

`--check` compares the ratios with the committed ones in ratios.json and writes nothing. Stages that seem slower are measured once more, and those
that are slower both times are an error. `--record` writes the ratios.
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
from dataclasses import dataclass
from pathlib import Path

import ratios

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = Path(os.environ.get("THAW_BENCH_ENVIRONMENT", Path.home() / ".cache/thaw/bench"))
REQUIREMENTS = ["torch==2.15.0", "torchvision==0.29.2", "timm==1.0.31", "onnx==1.23.2", "onnxruntime==1.32.0", "openvino==2026.4.1", "numpy==2.4.6",
                "pillow==13.0.0", "safetensors==0.8.0"]
BASES = {
    "vgg16": "VGG16",
    "squeezenet1_0": "SqueezeNet 1.0",
    "resnet18": "ResNet-18",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
# Other algorithms with which thaw is timed, too: what follows a stage's name, what follows its title, bases.
ALGORITHMS = [
    (" f6", ", F(6×6)", ["vgg16", "squeezenet1_0", "resnet18"]),
    (" bfloat16", ", bfloat16", ["vgg16", "resnet18"]),
]
# Programs that time the stages of some sides, and the package whose version counts.
SIDES = {
    "PyTorch": "torch",
    "ONNX Runtime": "onnxruntime",
    "OpenVINO": "openvino",
    "Pillow, one process": "pillow",
    "ImageDataGenerator, one process": "keras",
}
RATIOS = ROOT / "tools/bench/ratios.json"
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
        for number in range(5):
            seconds = self.run(stage)
            # Two at least, however long they take, so that nobody's first counts.
            if number > 0 and time.perf_counter() - start > 2:
                break
        return seconds

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def environment():
    """The Python of the virtual environment, which is made or completed where a package is missing or has another version."""
    python, installed = ENVIRONMENT / "bin/python", ENVIRONMENT / "requirements.txt"
    wanted = "\n".join(REQUIREMENTS)
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    if not installed.exists() or installed.read_text() != wanted:
        subprocess.check_call([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS])
        installed.write_text(wanted)
    return python


def stages_binary():
    """Builds thaw's side."""
    subprocess.check_call(["cargo", "build", "--release", "--workspace", "--example", "stages"], cwd=ROOT)
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return Path(target) / "release/examples/stages"


@dataclass
class Stage:
    """A stage: its name, what it does, how many images go through it, and what each side is told to run, in each of its variants."""

    name: str
    title: str
    images: int
    others: dict
    command: str = ""


def stages(options):
    """All stages that were asked for."""
    layouts = ["channels_last", "contiguous"]
    for base in BASES:
        if options.only and base not in options.only:
            continue
        forward, train = f"{base} forward", f"{base} train"
        # Pairs in bfloat16 only where the processor has instructions for them.
        algorithms = [(own, title) for own, title, bases in ALGORITHMS if base in bases and (own != " bfloat16" or "avx512_bf16" in processor_flags())]
        for own, suffix in [("", ""), *algorithms]:
            name = BASES[base] + suffix
            yield Stage(forward + own, name, 20, {
                "PyTorch": {layout: f"{forward} {layout}" for layout in layouts},
                "ONNX Runtime": {"ONNX Runtime": f"{forward} onnxruntime"},
                "OpenVINO": {hint: f"{forward} openvino_{hint}" for hint in ["latency", "throughput"]},
            })
            title = f"{name}, forward, backward, RMSprop"
            yield Stage(train + own, title, 20, {"PyTorch": {layout: f"{train} {layout}" for layout in layouts}})
    if options.only:
        return
    kinds = {"RMSprop(foreach=True)": "head epoch foreach", "RMSprop(foreach=False)": "head epoch loop"}
    yield Stage("head epoch", "head, an epoch of 2,000 × 8,192 features", 2000, {"PyTorch": kinds})
    if options.images:
        command = f"decode {options.images}"
        side = "Pillow, one process"
        yield Stage("decode", "decode and resize photographs, all cores", 500, {side: {side: command}}, command)
    if options.keras:
        side = "ImageDataGenerator, one process"
        yield Stage("augment", "augmentation of Keras 2.0.8, all cores", 500, {side: {side: "augment"}})


class Measured:
    """Seconds of a stage in each round: thaw's, and those of each side's fastest variant."""

    def __init__(self, stage, rounds, workers):
        self.stage, self.own, self.others, self.variants = stage, [], {}, {}
        runs = {(side, variant): [] for side, variants in stage.others.items() for variant in variants}

        def ours():
            return workers.of("thaw").warm(stage.command or stage.name)

        def theirs(side, variant):
            return workers.of(side).warm(stage.others[side][variant])

        ours(), [theirs(*run) for run in runs]
        for _ in range(rounds):
            self.own.append(ours())
            for run, seconds in runs.items():
                seconds.append(theirs(*run))
        for side, variants in stage.others.items():
            variant = min(variants, key=lambda variant: statistics.median(runs[side, variant]))
            self.variants[side], self.others[side] = variant, runs[side, variant]
            print(f"{stage.name}: thaw {statistics.median(self.own):.4f} s, {side} ({variant}) {statistics.median(self.others[side]):.4f} s, "
                  f"ratio {self.ratio(side)['ratio']:.2f}", flush=True)

    def ratio(self, side, **about):
        return ratios.entry(self.own, self.others[side], **about)

    def rate(self, seconds):
        """Images per second."""
        rate = self.stage.images / statistics.median(seconds)
        return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"

    def entries(self, **about):
        """The ratio beside each side, for ratios.json."""
        return [self.ratio(side, stage=self.stage.name, beside=side, **about) for side in self.others]


class Workers:
    """A program for each side, so that the threads and the memory of one do not disturb the others; it starts when it is needed."""

    def __init__(self, commands):
        self.commands, self.started = commands, {}

    def of(self, side):
        if side not in self.started:
            self.started[side] = Worker(self.commands[side])
        return self.started[side]

    def close(self):
        for worker in self.started.values():
            worker.close()


def tables(measured, further_rows):
    """The forward passes beside every runtime, and the other stages beside the one side that they have."""
    forward = [one for one in measured if len(one.others) > 1]
    sides = list(forward[0].others)
    yield f"| forward, images/s | thaw | {' | '.join(sides)} |"
    yield f"| --- | ---: | {' | '.join('---:' for _ in sides)} |"
    for one in forward:
        cells = [f"{one.rate(one.others[side])} ({one.ratio(side)['ratio']:.2f})" for side in sides]
        yield f"| {' | '.join([one.stage.title, one.rate(one.own), *cells])} |"
    yield ""
    yield "| stage | thaw | the other side | its best variant | ratio |"
    yield "| --- | ---: | ---: | --- | ---: |"
    for one in measured:
        for side, seconds in one.others.items() if len(one.others) == 1 else []:
            rates = [f"{one.rate(one.own)} images/s", f"{one.rate(seconds)} images/s"]
            yield f"| {' | '.join([one.stage.title, *rates, one.variants[side], format(one.ratio(side)['ratio'], '.2f')])} |"
    for row in further_rows:
        yield f"| {' | '.join(row)} |"


def peak(command, stages):
    """Peak memory in MiB of a process that runs nothing but some stages."""
    worker = Worker(command)
    for stage in stages:
        worker.run(stage)
    result = worker.run("peak")
    worker.close()
    return result


def busy():
    """The share of all cores' time that other programs take over three seconds, and the machine's other guests; 0 where the system does not say."""
    file = Path("/proc/stat")

    def times():
        values = [int(value) for value in file.read_text().splitlines()[0].split()[1:9]]
        # The fourth and fifth are idle and waiting for a disk.
        return sum(values), sum(values[3:5])

    if not file.exists():
        return 0.0
    (total, idle), _, (total_after, idle_after) = times(), time.sleep(3), times()
    return 1 - (idle_after - idle) / max(total_after - total, 1)


def cpu_information():
    """What the system says about the processor; nothing where it does not."""
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""


def processor_flags():
    return set(cpu_information().split())


def cpu():
    model = re.search(r"model name\s*:\s*(.*)", cpu_information())
    flags = processor_flags()
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{model.group(1) if model else platform.processor()}, {os.cpu_count()} cores, {vectors}"


def check(measured, again, entries):
    """Says how the ratios differ from the committed ones. True where a stage is slower in a second measurement, too."""
    committed = ratios.read(RATIOS)
    slower, sentences = ratios.compare(committed, entries(measured))
    print("\n".join(sentences), flush=True)
    if not slower:
        return False
    print(f"Measured once more: {', '.join(sorted(slower))}", flush=True)
    slower_again, sentences = ratios.compare(committed, entries([again(one.stage) for one in measured if one.stage.name in slower]))
    print("\n".join(sentences[:-1]))
    if slower_again:
        print(f"Slower than committed: {', '.join(sorted(slower_again))}. If that is intended: `just bench-check --record`, and commit the file.")
    return bool(slower_again)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=Path, help="a dataset folder with train/<class>/<image>")
    parser.add_argument("--keras", type=Path, help="a Python with keras 2.0.8")
    parser.add_argument("--only", nargs="+", choices=BASES, help="the rows of some bases, which are printed")
    parser.add_argument("--dry-run", action="store_true", help="print the tables instead of writing them")
    parser.add_argument("--check", action="store_true", help="compare with the committed ratios; the page stays as it is")
    parser.add_argument("--record", action="store_true", help="write the ratios")
    options = parser.parse_args()
    if (options.check or options.record) and options.rounds < ratios.LEAST_ROUNDS:
        parser.error(f"--check and --record need at least {ratios.LEAST_ROUNDS} rounds")

    python, binary = environment(), stages_binary()
    other_side = [python, ROOT / "tools/bench/pytorch_stages.py"]
    commands = {**{side: other_side for side in SIDES}, "thaw": [binary]}
    if options.keras:
        commands["ImageDataGenerator, one process"] = [options.keras, ROOT / "tools/bench/keras_stages.py"]
    if (share := busy()) > 0.05:
        print(f"Other programs take {share:.0%} of the processor: the ratios will be wrong, and should not be committed.", flush=True)
    workers = Workers(commands)
    measured = [Measured(stage, options.rounds, workers) for stage in stages(options)]

    versions = {**dict(requirement.split("==") for requirement in REQUIREMENTS), "keras": "2.0.8"}
    commit = subprocess.check_output(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, text=True).strip()
    date = datetime.date.today().isoformat()

    def entries(measured):
        everything = [entry for one in measured for entry in one.entries(processor=cpu(), date=date, commit=commit)]
        return [{**entry, "version": versions[SIDES[entry["beside"]]]} for entry in everything]

    failed = options.check and check(measured, lambda stage: Measured(stage, options.rounds, workers), entries)
    if options.record:
        ratios.write(RATIOS, ratios.merged(ratios.read(RATIOS), entries(measured)))
        print(f"written to {RATIOS}")
    if options.check or options.only:
        workers.close()
        if options.only:
            print("\n".join(tables(measured, [])))
        sys.exit(1 if failed and not options.record else 0)

    ours = workers.of("thaw")
    ours.run("copy")
    copied = 2 * 2**28 / statistics.median(ours.run("copy") for _ in range(options.rounds))
    # A step reads the weights going forward, then reads and writes weights and running means.
    per_step = (8192 * 256 + 256) * 4 * 5
    head = next(one for one in measured if one.stage.name == "head epoch")
    traffic = per_step * 100 / statistics.median(head.own)
    workers.close()
    own_peak = peak([binary], ["vgg16 train"] * 3)
    other_peak = min(peak(other_side, [f"vgg16 train {layout}"] * 3) for layout in ["channels_last", "contiguous"])
    memory = ("peak memory, training VGG16", f"{own_peak:,.0f} MiB", f"{other_peak:,.0f} MiB", "the smaller layout", f"{other_peak / own_peak:.2f}")

    rust = subprocess.check_output(["rustc", "--version"], text=True).split()[1]
    packages = ", ".join(f"{side} {versions[SIDES[side]]}" for side in ["PyTorch", "ONNX Runtime", "OpenVINO"])
    lines = [
        f"{date}, commit {commit}, Rust {rust}, {packages}; {cpu()}. Batches of 20 at 150×150; medians of {options.rounds} rounds.",
        "",
        *tables(measured, [memory]),
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
