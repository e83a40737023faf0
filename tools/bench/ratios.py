"""Compares measured ratios with the committed ones, `ratios.json` beside this file: which stage became slower, by more than the noise?

A ratio is the other side's seconds divided by thaw's, both from one round, one right after the other; seconds say more about the machine. Each entry
of the file belongs to one kind of processor, and is compared on that kind alone.
"""

import json
import math
import statistics

# Between two measurements the ratios of a stage differ by this share for reasons that no round shows: where memory lies, who else is on the machine.
LEAST_NOISE = 0.05
# Standard errors that count as noise.
STANDARD_ERRORS = 3
# Fewer rounds say nothing about their spread.
LEAST_ROUNDS = 5


def entry(own, other, **about):
    """A ratio with its spread over rounds, from the seconds of both sides in each round; `about` says of what."""
    logarithms = [math.log(theirs / ours) for ours, theirs in zip(own, other, strict=True)]
    middle = statistics.median(logarithms)
    # Of a normal distribution, 1.4826 median deviations are a standard deviation; a few disturbed rounds do not move them.
    spread = 1.4826 * statistics.median(abs(value - middle) for value in logarithms)
    return {**about, "ratio": round(math.exp(middle), 3), "spread": round(spread, 4), "rounds": len(logarithms)}


def key(entry):
    return entry["processor"], entry["stage"], entry["beside"]


def typical_spread(entries):
    return statistics.median(entry["spread"] for entry in entries)


def noise(before, now, typical_before, typical_now):
    """The share by which a ratio may lie below the committed one.

    Some standard errors of the difference between two medians, and never less than LEAST_NOISE. A spread of few rounds is itself uncertain, so none
    counts as less than the typical one of its measurement.
    """
    def error(entry, typical):
        # A median's standard error is 1.2533 times a mean's.
        return 1.2533 * max(entry["spread"], typical) / math.sqrt(entry["rounds"])

    errors = math.hypot(error(before, typical_before), error(now, typical_now))
    return max(LEAST_NOISE, 1 - math.exp(-STANDARD_ERRORS * errors))


def compare(committed, measured):
    """The stages that are slower beside a side than was committed, and sentences about everything that is to be said.

    Returns `(slower, sentences)`; `slower` is a set of names of stages.
    """
    processors = {entry["processor"] for entry in measured}
    known = {key(entry): entry for entry in committed if entry["processor"] in processors}
    if not known:
        others = "; ".join(sorted({entry["processor"] for entry in committed})) or "no processor"
        return set(), [f"Not compared: this is {'; '.join(sorted(processors))}, and the committed ratios are of {others}. "
                       "`just bench-check --record` adds those of this one."]
    typical_before, typical_now = typical_spread(known.values()), typical_spread(measured)
    slower, sentences, compared = set(), [], 0
    for now in measured:
        before, name = known.get(key(now)), f"{now['stage']} beside {now['beside']}"
        if before is None:
            sentences.append(f"{name}: not compared, no ratio is committed")
            continue
        if before["version"] != now["version"]:
            sentences.append(f"{name}: not compared, the committed ratio is of version {before['version']}, this is {now['version']}")
            continue
        compared += 1
        allowed, change = noise(before, now, typical_before, typical_now), now["ratio"] / before["ratio"] - 1
        numbers = f"{before['ratio']:.2f} (commit {before['commit']}, {before['date']}), now {now['ratio']:.2f}: {change:+.0%}, noise {allowed:.0%}"
        if change < -allowed:
            slower.add(now["stage"])
            sentences.append(f"{name}: SLOWER, was {numbers}")
        elif change > allowed:
            sentences.append(f"{name}: faster, was {numbers}")
    sentences.append(f"{compared} of {len(known)} committed ratios of this processor were compared.")
    return slower, sentences


def merged(committed, measured):
    """The committed entries with the measured ones in the place of theirs."""
    entries = {key(entry): entry for entry in [*committed, *measured]}
    return [entries[name] for name in sorted(entries)]


def read(file):
    return json.loads(file.read_text()) if file.exists() else []


def write(file, entries):
    """One entry a line, so that a diff shows which stage changed."""
    file.write_text("[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in entries) + "\n]\n")
