"""Times whole sweeps of growing size and prints a table: does the cost grow in proportion to the work that cannot be shared?

    python3 tools/bench/cost.py PATH_TO_THAW [PLOT.svg]     # the plot needs matplotlib

Synthetic images on the mini VGG, its base thawed, so that cells share nothing but decoded images; one epoch each. Every sweep starts with an empty
cache. The last column is the time per unit beside that of the sweep before it: 1 is proportional.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = """name = "cost"
title = "cost"
seeds = [{seeds}]
[dataset]
source = "synthetic"
task = "cats_and_dogs"
seed = 5
size = 32
train = {images}
validation = 100
test = 0
[base]
architecture = "mini_vgg"
[procedure]
convolution = "direct"
image_size = 32
epochs = 1
optimizer_collects = "everything"
[matrix]
dropout = [{dropouts}]
"""


def seconds(thaw, images, cells, seeds):
    """Wall time of a sweep."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Path(folder) / "cost.toml"
        dropouts = ", ".join(str(number / 100) for number in range(cells))
        experiment.write_text(TEMPLATE.format(seeds=", ".join(map(str, range(seeds))), images=images, dropouts=dropouts))
        command = [thaw, "sweep", experiment, "--quiet", "--results", f"{folder}/results", "--cache", f"{folder}/cache"]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def draw(path, series):
    """Seconds over training images × cells, both logarithmic, with the line of proportional cost through the largest sweep."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "cost"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for (name, points), marker in zip(series.items(), "osD"):
        axes.loglog(*zip(*points), marker=marker, label=name)
    work, taken = max(point for points in series.values() for point in points)
    axes.loglog([500, work], [taken * 500 / work, taken], "k:", label="proportional")
    axes.set_xlabel("training images × cells")
    axes.set_ylabel("seconds")
    axes.legend()
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main():
    thaw, series = sys.argv[1], {}
    print("| training images | cells | seconds | per image and cell, beside the row before |\n| ---: | ---: | ---: | ---: |")
    sweeps = {
        "more images": [(500, 1, 1), (2000, 1, 1), (8000, 1, 1)],
        "more cells": [(500, 4, 1), (500, 16, 1), (500, 64, 1)],
        "more seeds": [(2000, 1, 2), (2000, 1, 5), (2000, 1, 10)],
    }
    for name, rows in sweeps.items():
        before = None
        for images, procedures, seeds in rows:
            taken = seconds(thaw, images, procedures, seeds)
            rate = taken / (images * procedures * seeds)
            beside = f"{rate / before:.2f}" if before else ""
            print(f"| {images:,} | {procedures} × {seeds} seeds | {taken:.1f} | {beside} |", flush=True)
            before = rate
            series.setdefault(name, []).append((images * procedures * seeds, taken))
    for path in sys.argv[2:]:
        draw(path, series)


if __name__ == "__main__":
    main()
