"""How often thaw's diagnosis is right, whichever three of the miniature's twelve seeds it learns from.

    cargo build --release
    python3 tools/golden/diagnosis_triples.py target/release/thaw

Runs `thaw diagnose --held-out` once for each of the 220 triples, with the nine other seeds held out, and prints the table
of docs/diagnosis.md. Needs Python alone.
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
for learnt in itertools.combinations(range(12), 3):
    held_out = ",".join(str(seed) for seed in range(12) if seed not in learnt)
    shown = subprocess.run([sys.argv[1], "diagnose", "--held-out", held_out], capture_output=True, text=True, check=True).stdout
    for name, pattern in ROWS:
        counts[name].append(int(re.search(pattern, shown, re.MULTILINE).group(1)))
trials = 108
print(f"| of {trials} runs | seeds 0, 1, 2 | mean of 220 triples | range |")
print("|:---|---:|---:|---:|")
for name, values in counts.items():
    print(f"| {name} | {values[0]} | {sum(values) / len(values):.1f} | {min(values)} to {max(values)} |")
wrong, sure = sum(counts["sure and wrong"]), sum(counts["sure and wrong"]) + sum(counts["sure and right"])
print(f"\n{100 * wrong / sure:.2f} % of the sure answers are wrong; {sum(value > 0 for value in counts['sure and wrong'])} of {len(values)} triples have one.")
