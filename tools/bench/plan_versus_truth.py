#!/usr/bin/env python3
"""Compares what `thaw plan` foretells with what `thaw sweep` takes, step by step.

    python3 tools/bench/plan_versus_truth.py THAW [ARGUMENTS OF thaw sweep]

For example with `experiments/squeezenet.toml --data images --weights squeezenet.safetensors --seeds 0 --epochs 3`.
Cache and results lie in a temporary folder. Prints a table in Markdown: the largest steps of each kind, and the whole.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time


def steps_of_plan(thaw, arguments, desk):
    """Seconds by the number of the step, and the words about the whole."""
    output = desk / "plan.json"
    ran = subprocess.run(
        [thaw, "plan", *arguments, "--output", output], check=True, capture_output=True, text=True
    )
    plan = json.loads(output.read_text())
    seconds = [step["seconds"] for step in plan["steps"]]
    whole = next(line for line in ran.stdout.splitlines() if "on this machine" in line)
    return seconds, whole


def steps_of_sweep(thaw, arguments, desk):
    """Seconds by step, in words, and of the whole."""
    start = time.monotonic()
    ran = subprocess.run(
        [thaw, "sweep", *arguments, "--log-format", "json"],
        check=True,
        capture_output=True,
        text=True,
    )
    whole = time.monotonic() - start
    took = {}
    for line in ran.stderr.splitlines():
        event = json.loads(line)
        if event["event"] == "step_finished":
            took[event["step"]] = event["step_seconds"]
    return took, whole


def main():
    thaw, arguments = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        desk = pathlib.Path(folder)
        places = ["--cache", desk / "cache", "--results", desk / "results"]
        listed = desk / "plan.json"
        foretold, said = steps_of_plan(thaw, [*arguments, *places], desk)
        names = subprocess.run(
            [thaw, "worker", listed], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        # number, id, after …, two blanks, words
        words = [name.strip().split("  ")[-1].strip() for name in names]
        took, whole = steps_of_sweep(thaw, [*arguments, *places], desk)
    rows = [
        (name, seconds, took[name]) for name, seconds in zip(words, foretold) if name in took
    ]
    print("| step | foretold | took | foretold / took |")
    print("| --- | ---: | ---: | ---: |")
    for kind in ("decode", "extract", "train"):
        of_kind = sorted((row for row in rows if row[0].startswith(kind)), key=lambda row: -row[2])
        for name, seconds, truth in of_kind[: 2 if kind == "decode" else 8]:
            print(f"| {name} | {seconds:.2f} s | {truth:.2f} s | {seconds / truth:.2f} |")
    print(f"\n{said}; the sweep took {whole:.1f} s, its report included")


if __name__ == "__main__":
    main()
