"""Times a whole matrix three ways, in turn: thaw's sweep, each of its cells by a sweep of its own, and each cell by plain PyTorch.

    python3 tools/bench/matrix_versus_pytorch.py --images FOLDER --weights FILE [--photographs 120] [--epochs 3] [--rounds 3]

Runs `experiments/squeezenet.toml` with one seed on a part of the photographs. Every sweep starts from an empty cache and counts its own start and
decoding. PyTorch's side (torchvision's SqueezeNet, channels_last, RMSprop) does for each cell what its procedure says and nothing twice within it:
cached features are extracted once, validation and test activations of a frozen base once per cell. Its images are decoded beforehand and its imports
are not counted, so that what is compared is the computing.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from versus_pytorch import ROOT, environment

EXPERIMENT = ROOT / "experiments/squeezenet.toml"


def matrix():
    """The cells: one dictionary of factor to level for each combination that is not excluded."""
    experiment = tomllib.loads(EXPERIMENT.read_text())
    factors = {name: [str(level) for level in levels] for name, levels in experiment["matrix"].items()}
    cells = [dict(zip(factors, levels)) for levels in itertools.product(*factors.values())]
    excluded = [{name: str(level) for name, level in rule.items()} for rule in experiment["exclude"]]
    return [cell for cell in cells if not any(rule.items() <= cell.items() for rule in excluded)]


def part(images, photographs, folder):
    """Links to the first photographs of each class, with half as many for validation and for test."""
    for split, count in [("train", photographs), ("validation", photographs // 2), ("test", photographs // 2)]:
        classes = sorted(path for path in (images / split).iterdir() if path.is_dir())
        for source in classes:
            target = folder / split / source.name
            target.mkdir(parents=True)
            for file in sorted(source.iterdir())[: count // len(classes)]:
                (target / file.name).symlink_to(file.resolve())


def sweep(binary, images, options, *only):
    """Seconds of a sweep from an empty cache."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [binary, "sweep", EXPERIMENT, "--quiet", "--data", images, "--weights", options.weights, "--epochs", str(options.epochs),
                   "--seeds", "0", "--results", f"{scratch}/results", "--cache", f"{scratch}/cache", *only]
        start = time.perf_counter()
        subprocess.check_call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start


def pytorch_side(images, weights, epochs):
    """Answers each line on standard input, a number of a cell, with the seconds that the cell takes."""
    import torch
    import torchvision
    from PIL import Image
    from safetensors.torch import load_file
    from torchvision.transforms import v2

    def pixels(split):
        files = sorted((Path(images) / split).glob("*/*"))
        names = sorted({file.parent.name for file in files})
        decoded = [Image.open(file).convert("RGB").resize((150, 150), Image.NEAREST) for file in files]
        return decoded, torch.tensor([float(names.index(file.parent.name)) for file in files])

    splits = {split: pixels(split) for split in ["train", "validation", "test"]}
    augment = v2.RandomAffine(40, translate=(0.2, 0.2), scale=(0.8, 1.2), shear=11.5)
    mean = torch.tensor([123.68, 116.779, 103.939]).view(3, 1, 1)
    values = load_file(weights)

    def batch(cell, split, order, augmented):
        chosen = [splits[split][0][index] for index in order]
        chosen = [v2.functional.pil_to_tensor(augment(image) if augmented else image).float() for image in chosen]
        if cell["preprocessing"] == "caffe":
            chosen = [(image - mean)[[2, 1, 0]] for image in chosen]
        else:
            chosen = [image / 255 for image in chosen]
        return torch.stack(chosen).contiguous(memory_format=torch.channels_last), splits[split][1][torch.as_tensor(order)]

    def run(cell):
        torch.manual_seed(0)
        frozen = cell["regime"] != "accidentally_unfrozen"
        augmented = cell["augmentation"] != "none"
        base = torchvision.models.squeezenet1_0(weights=None).features.to(memory_format=torch.channels_last)
        base.load_state_dict({name.removeprefix("features."): value for name, value in values.items() if name.startswith("features.")})
        base.requires_grad_(not frozen)
        head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(512 * 9 * 9, 256), torch.nn.ReLU(),
                                   torch.nn.Dropout(float(cell["dropout"])), torch.nn.Linear(256, 1))
        parameters = [parameter for parameter in [*base.parameters(), *head.parameters()] if parameter.requires_grad]
        optimizer = torch.optim.RMSprop(parameters, lr=2e-5, alpha=0.9, eps=1e-8, foreach=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits

        @torch.no_grad()
        def features(split, augmented):
            count = len(splits[split][0])
            return torch.cat([base(batch(cell, split, range(first, min(first + 50, count)), augmented)[0]) for first in range(0, count, 50)])

        count = len(splits["train"][0])
        once = features("train", False) if cell["regime"] == "cached" else None
        evaluation = {split: features(split, False) for split in ["validation", "test"]} if frozen else None
        for _ in range(epochs):
            head.train()
            variants = features("train", True) if cell["regime"] == "cached_variants" else once
            for order in torch.randperm(count).split(20):
                order = order.tolist()
                optimizer.zero_grad(set_to_none=True)
                if variants is None:
                    shown, labels = batch(cell, "train", order, augmented)
                    activations = base(shown)
                else:
                    activations, labels = variants[order], splits["train"][1][order]
                loss(head(activations).squeeze(1), labels).backward()
                optimizer.step()
            head.eval()
            with torch.no_grad():
                for split in ["validation", "test"]:
                    head(evaluation[split] if frozen else features(split, False))

    cells = matrix()
    for line in sys.stdin:
        start = time.perf_counter()
        run(cells[int(line)])
        print(time.perf_counter() - start, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--photographs", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    python = environment()
    subprocess.check_call(["cargo", "build", "--release", "--workspace"], cwd=ROOT)
    binary = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/thaw"
    cells = matrix()
    only = [[word for name, level in cell.items() for word in ("--only", f"{name}={level}")] for cell in cells]
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder)
        part(options.images, options.photographs, images)
        worker = subprocess.Popen([python, __file__, "pytorch", images, options.weights, str(options.epochs)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def pytorch(number):
            print(number, file=worker.stdin, flush=True)
            return float(worker.stdout.readline())

        pytorch(0)
        together, alone, plain = [], [], []
        for number in range(1, options.rounds + 1):
            together.append(sweep(binary, images, options))
            pairs = [(sweep(binary, images, options, *words), pytorch(cell)) for cell, words in enumerate(only)]
            alone.append(sum(own for own, _ in pairs))
            plain.append(sum(other for _, other in pairs))
            print(f"round {number}: the matrix {together[-1]:.1f} s, its cells alone {alone[-1]:.1f} s, in PyTorch {plain[-1]:.1f} s", flush=True)
        worker.stdin.close()
        worker.wait()
    of_alone = statistics.median(one / other for one, other in zip(together, alone))
    of_plain = statistics.median(one / other for one, other in zip(together, plain))
    print(f"{len(cells)} cells, {options.photographs} photographs, {options.epochs} epochs: the matrix takes {of_alone:.2f} of its cells alone "
          f"and {of_plain:.2f} of PyTorch (medians of {options.rounds} rounds)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["pytorch"]:
        pytorch_side(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
