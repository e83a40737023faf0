"""How uncertain the numbers of the committed records are, without any of thaw's code: with NumPy, SciPy and polars alone.

    pip install numpy==2.4.6 scipy==1.17.1 polars==2.1.0
    python tools/golden/certainty.py values   > crates/analysis/tests/golden/certainty.json
    python tools/golden/certainty.py coverage
    python tools/golden/certainty.py stopping
    python tools/golden/certainty.py extremes
    python tools/golden/certainty.py alarms
    python tools/golden/certainty.py headlines

`values` writes what the tests of thaw-analysis compare with. The others print the tables of docs/certainty.md: how often
the 95 % intervals contain the truth, for simulated spreads and for the twelve seeds of the miniature, and for sweeps that
add seeds until the intervals are narrow; how often the lowest and the highest of equal procedures, and runs of one
procedure, seem to differ; and the steps of the ladders by the last epoch of three seeds and by all that there is.
"""

import itertools
import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import polars
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import binomtest, studentized_range, t, ttest_1samp

ROOT = Path(__file__).resolve().parents[2]
LEAST = 0.01


def read(experiment, statistic):
    """Runs by levels and seed: the number, the images that were right at the end, and all curves."""
    runs, known = {}, {}
    for path in sorted((ROOT / "results" / experiment / "cells").glob("*/cell.json")):
        cell = json.loads(path.read_text())["cell"]
        levels = tuple(tuple(level) for level in cell["levels"])
        # Experiments may have changed the order of their factors while records were made.
        levels = known.setdefault(frozenset(levels), levels)
        epochs = polars.read_parquet(path.parent / "epochs.parquet").sort("epoch")
        validation = epochs.filter(polars.col("split") == "validation")
        accuracy = (validation["correct"].to_numpy().astype(float) / validation["count"].to_numpy())
        number = accuracy[-1] if statistic == "final" else accuracy[-int(statistic.removeprefix("last_")):].mean()
        predictions = polars.read_parquet(path.parent / "predictions.parquet").filter(polars.col("split") == "validation").sort("image")
        right = (predictions["label"] == predictions["predicted"]).to_numpy().astype(float)
        curves = epochs.sort("split", "epoch").select("split", "epoch", "loss_sum", "correct").rows()
        runs.setdefault(levels, {})[cell["seed"]] = (number, right, curves)
    return runs


def same(one, other):
    """Whether two procedures share a seed and are equal to the last bit for all that they share."""
    seeds = one.keys() & other.keys()
    return bool(seeds) and all(one[seed][2] == other[seed][2] for seed in seeds)


def prior(variances, degrees, most):
    """Degrees of freedom and variance of the prior, by the moments of the logarithms (Smyth 2004, section 6.2)."""
    variances, degrees = np.array(variances), np.array(degrees, dtype=float)
    expected = lambda freedom: digamma(freedom / 2) - np.log(freedom / 2)
    logarithms = np.log(variances) - expected(degrees)
    count = len(variances)
    excess = ((logarithms - logarithms.mean()) ** 2).sum() / (count - 1) - polygamma(1, degrees / 2).mean()
    cap = degrees.sum() * (1 - 1 / count)
    solve = lambda freedom: polygamma(1, freedom / 2) - excess
    if solve(cap) >= 0:
        freedom = cap
    elif solve(LEAST) <= 0:
        freedom = LEAST
    else:
        freedom = brentq(solve, LEAST, cap, xtol=1e-14, rtol=1e-14)
    return min(freedom, most), float(np.exp(logarithms.mean() + expected(freedom)))


class Spread:
    """Variances of single procedures and of one-factor differences, moderated."""

    def __init__(self, runs, images):
        self.rounding = (1 / images) ** 2 / 12
        names = list(runs)
        group = []
        for place, name in enumerate(names):
            group.append(next((before for before in range(place) if group[before] == before and same(runs[names[before]], runs[name])), place))
        # Of procedures that are equal the one with most seeds counts.
        members = {}
        for place, name in enumerate(names):
            members.setdefault(group[place], []).append(runs[name])
        singles = [self.own([(1.0, max(equal, key=len))]) for equal in members.values()]
        singles = [single for single in singles if single]
        independent = sum(degrees for _, degrees in singles)
        self.levels = prior(*zip(*singles), independent)
        pairs = {}
        for second, first in ((second, first) for second in range(len(names)) for first in range(second)):
            key = tuple(sorted((group[first], group[second])))
            apart = len(set(names[first]) - set(names[second]))
            if key[0] < key[1] and apart == 1:
                own = self.own([(-1.0, runs[names[first]]), (1.0, runs[names[second]])])
                pairs[key] = max(pairs.get(key), own, key=lambda pair: pair[1] if pair else 0)
        self.differences = prior(*zip(*[pair for pair in pairs.values() if pair]), independent)

    def own(self, terms):
        seeds = shared(terms)
        if len(seeds) < 2:
            return None
        values = [sum(weight * procedure[seed][0] for weight, procedure in terms) for seed in seeds]
        return np.var(values, ddof=1) / sum(weight**2 for weight, _ in terms) + self.rounding, len(seeds) - 1

    def estimate(self, terms):
        """Mean, and standard error and degrees of freedom over seeds, and over seeds and images."""
        seeds = shared(terms)
        values = np.array([sum(weight * procedure[seed][0] for weight, procedure in terms) for seed in seeds])
        own, degrees = self.own(terms)
        freedom, variance = self.levels if len(terms) == 1 else self.differences
        norm = sum(weight**2 for weight, _ in terms)
        moderated = max(own, (freedom * variance + degrees * own) / (freedom + degrees)) * norm
        seeds_part, freedom = moderated / len(seeds), freedom + degrees
        table = np.array([sum(weight * procedure[seed][1] for weight, procedure in terms) for seed in seeds])
        count, images = table.shape
        by_seed, by_image = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
        of_images = count * ((by_image - table.mean()) ** 2).sum() / (images - 1) / (count * images)
        rest = ((table - by_seed - by_image + table.mean()) ** 2).sum() / ((count - 1) * (images - 1)) / (count * images)
        both, freedom_of_both = seeds_part, freedom
        if of_images > rest:
            both = seeds_part + of_images - rest
            freedom_of_both = both**2 / (seeds_part**2 / freedom + of_images**2 / (images - 1) + rest**2 / ((count - 1) * (images - 1)))
        return {
            "mean": values.mean(),
            "seeds": [np.sqrt(seeds_part), freedom],
            "seeds_and_images": [np.sqrt(both), freedom_of_both],
        }


def shared(terms):
    return sorted(set.intersection(*[set(procedure) for _, procedure in terms]))


def values():
    golden = []
    for experiment, statistic in itertools.product(["miniature", "squeezenet"], ["final", "last_2"]):
        runs = read(experiment, statistic)
        spread = Spread(runs, 1000)
        names = list(runs)
        entries = []
        for name in names:
            entries.append({"terms": [[1.0, name]], **spread.estimate([(1.0, runs[name])])})
        for one, other in itertools.pairwise(names):
            terms = [(-1.0, runs[one]), (1.0, runs[other])]
            entries.append({"terms": [[-1.0, one], [1.0, other]], **spread.estimate(terms)})
        weights = [-0.5, 0.25, 0.25]
        terms = [(weight, runs[name]) for weight, name in zip(weights, names)]
        entries.append({"terms": [list(pair) for pair in zip(weights, names[:3])], **spread.estimate(terms)})
        golden.append({"experiment": experiment, "statistic": statistic, "levels": spread.levels, "differences": spread.differences, "estimates": entries})
    json.dump(golden, sys.stdout, indent=1)


def intervals(samples, pairs):
    """Half-widths of Student's and of the moderated interval of the differences of pairs of rows of `samples` (procedures × seeds)."""
    seeds = samples.shape[1]
    differences = np.array([samples[other] - samples[one] for one, other in pairs])
    own = differences.var(1, ddof=1) / 2 + 1e-6 / 12
    independent = len(samples) * (seeds - 1)
    freedom, variance = prior(own, [seeds - 1] * len(pairs), independent)
    moderated = np.maximum(own, (freedom * variance + (seeds - 1) * own) / (freedom + seeds - 1))
    student = t.ppf(0.975, seeds - 1) * differences.std(1, ddof=1) / np.sqrt(seeds)
    ours = t.ppf(0.975, freedom + seeds - 1) * np.sqrt(2 * moderated / seeds)
    return differences.mean(1), student, ours


def coverage():
    random = np.random.default_rng(0)
    cells = 12
    # One factor of three levels and two of two: what differs in one factor.
    names = list(itertools.product(range(3), range(2), range(2)))
    pairs = [(one, other) for other in range(cells) for one in range(other) if sum(a != b for a, b in zip(names[one], names[other])) == 1]
    spreads = {
        "equal spreads": lambda: np.full(cells, 0.01),
        "spreads that differ (log-normal, ±65 %)": lambda: 0.01 * np.exp(0.5 * random.standard_normal(cells)),
        "one procedure in four with three times the spread": lambda: np.where(np.arange(cells) % 4 == 0, 0.03, 0.01),
    }
    draws = {"normal": lambda size: random.standard_normal(size), "Student's t with 4 degrees of freedom": lambda size: random.standard_t(4, size) / np.sqrt(2)}
    print("| spreads | noise | seeds | Student covers | moderated covers | the wider ones | median width, moderated ÷ Student |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (spread_name, spread), (noise_name, noise), seeds in itertools.product(spreads.items(), draws.items(), [2, 3, 5, 10]):
        hits, widths, wide_hits, wide = np.zeros(2), [], 0, 0
        for _ in range(400):
            deviations = spread()
            samples = np.round(noise((cells, seeds)) * deviations[:, None], 3)
            mean, student, ours = intervals(samples, pairs)
            hits += [(np.abs(mean) <= student).mean(), (np.abs(mean) <= ours).mean()]
            both = np.array([deviations[one] ** 2 + deviations[other] ** 2 for one, other in pairs])
            wider = both > np.quantile(both, 0.75) - 1e-15
            wide_hits, wide = wide_hits + (np.abs(mean) <= ours)[wider].sum(), wide + wider.sum()
            widths.append(np.median(ours) / max(np.median(student), 1e-9))
        print(f"| {spread_name} | {noise_name} | {seeds} | {hits[0] / 4:.1f} % | {hits[1] / 4:.1f} % | {100 * wide_hits / wide:.1f} % | {np.median(widths):.2f} |")
    print()
    print("| the miniature's seeds, statistic | seeds | Student covers | moderated covers | median half-width, Student | moderated |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for statistic in ["final", "last_4"]:
        runs = {name: seeds for name, seeds in read("miniature", statistic).items() if len(seeds) == 12}
        names, distinct = list(runs), []
        for name in names:
            if not any(same(runs[name], runs[known]) for known in distinct):
                distinct.append(name)
        table = np.array([[runs[name][seed][0] for seed in range(12)] for name in distinct])
        pairs = [(one, other) for other in range(len(distinct)) for one in range(other) if sum(a != b for a, b in zip(distinct[one], distinct[other])) == 1]
        for count in [2, 3, 5]:
            hits, half = np.zeros(2), [[], []]
            subsets = list(itertools.combinations(range(12), count))
            for subset in subsets:
                inside, outside = table[:, subset], np.delete(table, subset, axis=1)
                mean, student, ours = intervals(inside, pairs)
                truth = np.array([(outside[other] - outside[one]).mean() for one, other in pairs])
                # The others are an estimate of the truth, with a spread of their own.
                own = np.array([(outside[other] - outside[one]).var(ddof=1) / (12 - count) for one, other in pairs])
                error = [np.sqrt(half_width**2 + (t.ppf(0.975, 11 - count) ** 2) * own) for half_width in (student, ours)]
                hits += [(np.abs(mean - truth) <= width).mean() for width in error]
                half[0].append(np.median(student))
                half[1].append(np.median(ours))
            print(f"| {statistic} | {count} | {100 * hits[0] / len(subsets):.1f} % | {100 * hits[1] / len(subsets):.1f} % | {100 * np.median(half[0]):.2f} | {100 * np.median(half[1]):.2f} |")


class Sweep:
    """A simulated sweep of twelve procedures, of whose ladder of seven rungs all differences are nothing."""

    MOST, FIRST = 100, 3

    def __init__(self, noise, deviations, costs):
        self.samples = np.round(noise((CELLS, self.MOST)) * deviations[:, None], 3)
        self.costs = costs
        self.seeds = np.full(CELLS, self.FIRST)

    def estimates(self, pairs):
        """Of some pairs, from the seeds that both have: mean, variance of one difference, lent degrees of freedom, and the half-width
        with the last seed left out."""
        own, degrees = [], []
        for one, other in PAIRS:
            count = min(self.seeds[one], self.seeds[other])
            own.append((self.samples[other, :count] - self.samples[one, :count]).var(ddof=1) / 2 + 1e-6 / 12)
            degrees.append(count - 1)
        freedom, variance = prior(own, degrees, (self.seeds - 1).sum())
        found = []
        for one, other in pairs:
            count = min(self.seeds[one], self.seeds[other])
            differences = self.samples[other, :count] - self.samples[one, :count]
            before = differences[:-1].var(ddof=1) / 2 + 1e-6 / 12
            moderate = lambda own, degrees: 2 * max(own, (freedom * variance + degrees * own) / (freedom + degrees))
            moderated = moderate(own[PAIRS.index((min(one, other), max(one, other)))], count - 1)
            found.append((float(differences.mean()), moderated, freedom, self.half(moderate(before, count - 2), freedom, count - 1)))
        return found

    @staticmethod
    def half(variance, lent, count):
        return t.ppf(0.975, lent + count - 1) * np.sqrt(variance / count)

    def cost(self):
        return float((self.seeds * self.costs).sum())

    def add_until(self, wanted):
        """One seed after the other to the step of which most uncertainty is expected to go per second, until each step is as precise as
        wanted, and was so with one seed fewer."""
        while True:
            found = self.estimates(LADDER)
            gains = []
            for (one, other), (_, variance, lent, before) in zip(LADDER, found):
                count = min(self.seeds[one], self.seeds[other])
                now = self.half(variance, lent, count)
                if max(now, before) <= wanted or count >= self.MOST:
                    gains.append(0.0)
                    continue
                # With so many seeds more, the first at which one seed fewer is expected to do.
                widths = self.half(variance, lent, np.arange(count, self.MOST))
                enough = np.argmax(widths <= wanted) if (widths <= wanted).any() else len(widths) - 1
                then = self.half(variance, lent, count + enough + 1)
                gains.append((now - then) / (enough + 1))
            if not any(gains):
                return [(mean, self.half(variance, lent, min(self.seeds[list(step)]))) for step, (mean, variance, lent, _) in zip(LADDER, found)]
            best = None
            for (one, other), gain in zip(LADDER, gains):
                if gain == 0.0:
                    continue
                then = self.seeds.copy()
                count = min(self.seeds[one], self.seeds[other])
                then[[one, other]] = np.maximum(then[[one, other]], count + 1)
                completed = [gain for step, gain in zip(LADDER, gains) if min(then[list(step)]) > min(self.seeds[list(step)])]
                rate = sum(completed) / ((then - self.seeds) * self.costs).sum()
                if best is None or rate > best[0]:
                    best = rate, then
            self.seeds = best[1]

    def fixed(self, wanted):
        """The cost of equally many seeds for every rung, with which every step is as precise."""
        for count in range(self.FIRST, self.MOST + 1):
            self.seeds[:] = count
            if all(self.half(variance, lent, count) <= wanted for _, variance, lent, _ in self.estimates(LADDER)):
                break
        return self.cost()


CELLS = 12
NAMES = list(itertools.product(range(3), range(2), range(2)))
PAIRS = [(one, other) for other in range(CELLS) for one in range(other) if sum(a != b for a, b in zip(NAMES[one], NAMES[other])) == 1]
LADDER = list(itertools.pairwise([0, 1, 3, 7, 5, 9, 11]))


def stopping():
    random = np.random.default_rng(1)
    dear = np.where(np.arange(CELLS) % 4 == 1, 10.0, 1.0)
    spreads = {
        "equal spreads": lambda: np.full(CELLS, 0.01),
        "spreads that differ (log-normal, ±65 %)": lambda: 0.01 * np.exp(0.5 * random.standard_normal(CELLS)),
        "the dear procedures with three times the spread": lambda: np.where(dear > 1, 0.03, 0.01),
    }
    draws = {"normal": lambda size: random.standard_normal(size), "Student's t with 4 degrees of freedom": lambda size: random.standard_t(4, size) / np.sqrt(2)}
    print("| spreads | noise | wanted, points | covers | most seeds of a step, median | cost ÷ that of equal seeds |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for (spread_name, spread), (noise_name, noise), wanted in itertools.product(spreads.items(), draws.items(), [0.02, 0.01]):
        hits, most, ratios = [], [], []
        for _ in range(300):
            sweep = Sweep(noise, spread(), dear)
            hits += [abs(mean) <= half for mean, half in sweep.add_until(wanted)]
            most.append(max(min(sweep.seeds[list(step)]) for step in LADDER))
            cost = sweep.cost()
            ratios.append(cost / sweep.fixed(wanted))
        print(f"| {spread_name} | {noise_name} | {100 * wanted:.0f} | {100 * np.mean(hits):.1f} % | {np.median(most):.0f} | {np.median(ratios):.2f} |", flush=True)
    # What stopping by significance would do: seeds are added until a difference that is nothing seems to be something.
    alarms = []
    for _ in range(1000):
        sample = random.standard_normal(30)
        alarms.append(any(abs(sample[:n].mean()) > t.ppf(0.975, n - 1) * sample[:n].std(ddof=1) / np.sqrt(n) for n in range(3, 31)))
    print(f"\nstopping when a difference that is nothing becomes significant, with 3 to 30 seeds: {100 * np.mean(alarms):.0f} % false alarms")


def extremes():
    """False alarms about the gap between the lowest and the highest of procedures that are all alike, with three seeds."""
    random = np.random.default_rng(2)
    print("| procedures | gap judged as if asked for | judged by the range |")
    print("| ---: | ---: | ---: |")
    for count in [4, 12, 20]:
        alarms = np.zeros(2)
        for _ in range(4000):
            samples = 0.01 * random.standard_normal((count, 3))
            own = samples.var(1, ddof=1)
            freedom, variance = prior(own, [2] * count, 2 * count)
            means = samples.mean(1)
            low, high = means.argmin(), means.argmax()
            # Their difference has the mean of the two variances, twice.
            both = (own[low] + own[high]) / 2
            error = np.sqrt(2 * max(both, (freedom * variance + 2 * both) / (freedom + 2)) / 3)
            gap = means[high] - means[low]
            alarms += [2 * t.sf(gap / error, freedom + 2) < 0.05, studentized_range.sf(gap / error * np.sqrt(2), count, freedom + 2) < 0.05]
        print(f"| {count} | {alarms[0] / 40:.0f} % | {alarms[1] / 40:.1f} % |", flush=True)


def alarms():
    """False alarms between runs of one and the same procedure: twice three of the miniature's twelve seeds."""
    random = np.random.default_rng(3)
    runs = {name: seeds for name, seeds in read("miniature", "last_4").items() if len(seeds) == 12}
    distinct = {}
    for name, seeds in runs.items():
        if not any(same(seeds, known) for known in distinct.values()):
            distinct[name] = seeds
    alarms, tests = {}, {}

    def judge(what, p_value):
        alarms[what], tests[what] = alarms.get(what, 0) + (p_value < 0.05), tests.get(what, 0) + 1

    for _ in range(100):
        drawn = random.permutation(12)[:6]
        first = {name: {place: seeds[seed] for place, seed in enumerate(drawn[:3])} for name, seeds in distinct.items()}
        second = {name: {place: seeds[seed] for place, seed in enumerate(drawn[3:])} for name, seeds in distinct.items()}
        spread = Spread(first, 1000)
        for name in distinct:
            for place in range(3):
                one, other = first[name][place][1], second[name][place][1]
                better, worse = int(((one == 0) & (other == 1)).sum()), int(((one == 1) & (other == 0)).sum())
                judge("two models, McNemar's test", binomtest(better, better + worse, 0.5).pvalue if better + worse else 1.0)
            differences = [second[name][place][0] - first[name][place][0] for place in range(3)]
            judge("three seeds, Student's test", ttest_1samp(differences, 0).pvalue)
            estimate = spread.estimate([(-1.0, first[name]), (1.0, second[name])])
            for key, what in [("seeds", "three seeds, moderated, over seeds"), ("seeds_and_images", "three seeds, moderated, over seeds and images")]:
                error, freedom = estimate[key]
                judge(what, 2 * t.sf(abs(estimate["mean"]) / error, freedom))
    print("| test | false alarms at 5 % | of |")
    print("| --- | ---: | ---: |")
    for what in alarms:
        print(f"| {what} | {100 * alarms[what] / tests[what]:.1f} % | {tests[what]:,} |")


def headlines():
    """The steps of the ladders: by the last epoch of three seeds and Student's t, and as thaw says them."""
    print("| experiment | step | three seeds, last epoch, Student | all seeds, the experiment's number, moderated | with images |")
    print("| --- | --- | ---: | ---: | ---: |")
    for experiment in ["miniature", "squeezenet", "book"]:
        table = tomllib.loads((ROOT / "experiments" / f"{experiment}.toml").read_text())
        final, number = read(experiment, "final"), read(experiment, table["statistic"])
        spread = Spread(number, 1000)
        before = None
        for rung in table["ladder"]:
            names = [name for name in number if all(dict(name).get(factor) == str(level) for factor, level in rung["where"].items())]
            name = names[0] if len(names) == 1 else None
            if name and before and not same(number[before], number[name]):
                seeds = [seed for seed in shared([(1, final[before]), (1, final[name])]) if seed < 3]
                old = [final[name][seed][0] - final[before][seed][0] for seed in seeds]
                student = f"{100 * np.mean(old):+.2f} ± {100 * t.ppf(0.975, len(old) - 1) * np.std(old, ddof=1) / np.sqrt(len(old)):.2f}" if len(old) > 1 else f"{100 * np.mean(old):+.2f}, one seed"
                terms = [(-1.0, number[before]), (1.0, number[name])]
                if len(shared(terms)) > 1:
                    now = spread.estimate(terms)
                    half = {key: 100 * t.ppf(0.975, now[key][1]) * now[key][0] for key in ("seeds", "seeds_and_images")}
                    print(f"| {experiment} | {rung['label']} | {student} | {100 * now['mean']:+.2f} ± {half['seeds']:.2f} | ± {half['seeds_and_images']:.2f} |")
                else:
                    print(f"| {experiment} | {rung['label']} | {student} | one seed | |")
            before = name


{"alarms": alarms, "headlines": headlines, "values": values, "coverage": coverage, "stopping": stopping, "extremes": extremes}[sys.argv[1]]()
