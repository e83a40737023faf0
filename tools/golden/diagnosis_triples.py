"""How often thaw's diagnosis is right, whichever three seeds of an experiment it learns from.

    cargo build --release
    python3 tools/golden/diagnosis_triples.py target/release/thaw
    thaw sweep experiments/statistics.toml --results RESULTS                   # and again with --seeds 3,4,5,6,7,8
    python3 tools/golden/diagnosis_triples.py target/release/thaw 9 --experiment experiments/statistics.toml --results RESULTS

Runs `thaw diagnose --held-out` once for each triple of the first twelve seeds, or of as many as are given, with the others held out, and prints the tables
of docs/diagnosis.md: of the miniature's 220 triples, and of 84 of `experiments/statistics.toml`. Needs Python alone.
"""

import itertools
import re
import subprocess
import sys

ROWS = [
    ("the likeliest procedure is the right one", r"the likeliest procedure is the right one: (\d+)"),
    ("sure and right", r"sure and right: (\d+)"),
    ("sure and wrong", r"sure and wrong: (\d+)"),
    ("unsure, the right one among those named", r"the right one among those named: (\d+)"),
    ("unsure, the right one not among them", r"the right one not among them: (\d+)"),
    ("none of these", r"^  none of these: (\d+)"),
    ("its own procedure taken away: none of these", r"candidates:\n  none of these: (\d+)"),
    ("its own procedure taken away: unsure", r"\n  unsure: (\d+)"),
    ("its own procedure taken away: sure of a neighbour", r"sure of a procedure that is not theirs: (\d+)"),
]

counts = {name: [] for name, _ in ROWS}
thaw, seeds, chosen = sys.argv[1], int((sys.argv[2:3] or ["12"])[0]), sys.argv[3:]
for learnt in itertools.combinations(range(seeds), 3):
    held_out = ",".join(str(seed) for seed in range(seeds) if seed not in learnt)
    shown = subprocess.run([thaw, "diagnose", "--held-out", held_out, *chosen], capture_output=True, text=True, check=True).stdout
    for name, pattern in ROWS:
        counts[name].append(int(re.search(pattern, shown, re.MULTILINE).group(1)))
trials = re.match(r"\d+", shown).group()
triples = len(next(iter(counts.values())))
print(f"| of {trials} runs | seeds 0, 1, 2 | mean of {triples} triples | range |")
print("|:---|---:|---:|---:|")
for name, values in counts.items():
    print(f"| {name} | {values[0]} | {sum(values) / len(values):.1f} | {min(values)} to {max(values)} |")
wrong, sure = sum(counts["sure and wrong"]), sum(counts["sure and wrong"]) + sum(counts["sure and right"])
print(f"\n{100 * wrong / sure:.2f} % of the sure answers are wrong; {sum(value > 0 for value in counts['sure and wrong'])} of {len(values)} triples have one.")
