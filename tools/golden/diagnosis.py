"""Diagnoses held-out runs as thaw-analysis does, without any of its code: with NumPy and SciPy alone. Prints what `thaw diagnose --held-out` counts.

    thaw export --format json --output miniature.json
    thaw export experiments/squeezenet.toml --format json --output squeezenet.json
    thaw export experiments/statistics.toml --format json --output statistics.json
    python tools/golden/diagnosis.py miniature.json squeezenet.json statistics.json

Run with numpy 2.4.6 and scipy 1.17.1.
"""

import json
import sys

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, gammaln, polygamma
from scipy.stats import f

METRICS = {"acc": 2000, "loss": 2000, "val_acc": 1000, "val_loss": 1000}
SURE, TYPICAL = 0.95, 0.01


def features(history, epochs):
    """Level, trend and bend of each curve: of logits of accuracies, of logarithms of losses."""
    numbers = []
    for metric, images in METRICS.items():
        values = np.array(history[metric][:epochs])
        if metric.endswith("acc"):
            curve = np.log((values * images + 0.5) / ((1 - values) * images + 0.5))
        else:
            curve = np.log(values + 1e-3)
        for frequency in range(3):
            wave = np.cos(np.pi * frequency * (np.arange(epochs) + 0.5) / epochs)
            numbers.append((1.0 if frequency == 0 else 2**0.5) * (curve * wave).mean())
    return np.array(numbers)


def read(path):
    """The features of each procedure's runs by seed, procedures with equal curves once."""
    with open(path) as file:
        runs = json.load(file)
    epochs = min(len(run["history"]["loss"]) for run in runs)
    procedures = {}
    for run in runs:
        procedures.setdefault(tuple(run["levels"].items()), {})[run["seed"]] = features(run["history"], epochs)
    distinct = []
    for runs in procedures.values():
        if not any(all(np.array_equal(runs[seed], twin[seed]) for seed in runs) for twin in distinct):
            distinct.append(runs)
    return distinct


class Population:
    def __init__(self, procedures):
        count, degrees = len(procedures), np.array([len(runs) - 1.0 for runs in procedures])
        self.means = np.array([runs.mean(axis=0) for runs in procedures])
        variances = np.array([runs.var(axis=0, ddof=1) for runs in procedures]) + 1e-8
        # Smyth (2004), section 6.2, one number of degrees of freedom for all features.
        logarithms = np.log(variances) - (digamma(degrees / 2) - np.log(degrees / 2))[:, None]
        excess = logarithms.var(axis=0, ddof=1).mean() - polygamma(1, degrees / 2).mean()
        lent = degrees.sum() * (1 - 1 / count)
        if polygamma(1, lent / 2) < excess:
            lent = 2 * brentq(lambda half: polygamma(1, half) - excess, 0.005, lent / 2, xtol=1e-15)
        prior = np.exp(logarithms.mean(axis=0) + digamma(lent / 2) - np.log(lent / 2))
        variances = (lent * prior + degrees[:, None] * variances) / (lent + degrees)[:, None]
        # Schäfer and Strimmer (2005).
        residuals = np.concatenate([(runs - mean) / np.sqrt(row) for runs, mean, row in zip(procedures, self.means, variances)])
        residuals /= np.sqrt((residuals**2).mean(axis=0))
        products = residuals[:, :, None] * residuals[:, None, :]
        correlation = products.mean(axis=0)
        pairs = np.tril_indices(len(correlation), -1)
        uncertainty = (((products - correlation) ** 2).sum(axis=0) / (len(residuals) - 1) ** 2)[pairs].sum()
        correlation *= 1 - np.clip(uncertainty / (correlation[pairs] ** 2).sum(), 0.05, 1)
        np.fill_diagonal(correlation, 1)
        self.inverse, self.ln_determinant = np.linalg.inv(correlation), np.linalg.slogdet(correlation)[1]
        self.deviations = np.sqrt(variances * (1 + 1 / (degrees + 1))[:, None])
        self.freedom = lent + degrees

    def fits(self, run):
        """Log-likelihood under each procedure's multivariate t, the squared distance from its mean and the degrees of freedom of that."""
        standardised, width, freedom = (run - self.means) / self.deviations, len(run), self.freedom
        distances = np.einsum("ij,jk,ik->i", standardised, self.inverse, standardised)
        constant = gammaln((freedom + width) / 2) - gammaln(freedom / 2) - width / 2 * np.log(freedom * np.pi)
        volume = 0.5 * self.ln_determinant + np.log(self.deviations).sum(axis=1)
        likelihoods = constant - volume - (freedom + width) / 2 * np.log1p(distances / freedom)
        return likelihoods, distances, freedom


def without(procedures, place, run):
    return [np.delete(runs, run, axis=0) if number == place else runs for number, runs in enumerate(procedures)]


def probabilities(likelihoods, temperature):
    weights = np.exp((likelihoods - likelihoods.max()) / temperature)
    return weights / weights.sum()


def temperature(procedures):
    """Guo et al. (2017), over runs left out."""
    places = [(place, run) for place, runs in enumerate(procedures) if len(runs) > 2 for run in range(len(runs))]
    fits = [(place, Population(without(procedures, place, run)).fits(procedures[place][run])[0]) for place, run in places]
    surprise = lambda at: -sum(np.log(max(probabilities(likelihoods, at)[place], 1e-300)) for place, likelihoods in fits)
    return min(20 ** (np.arange(61) / 60), key=surprise)


def stretch(procedures):
    """Divisor of distances by which at most a twentieth of the runs of a seed that is left out everywhere are rejected by their own procedures."""
    fits = []
    for seed in {seed for runs in procedures for seed in range(len(runs))}:
        known = [np.delete(runs, seed, axis=0) if seed < len(runs) else runs for runs in procedures]
        rich = [place for place, runs in enumerate(known) if len(runs) > 1]
        population = Population([known[place] for place in rich])
        for member, place in enumerate(rich):
            if seed < len(procedures[place]):
                _, distances, freedom = population.fits(procedures[place][seed])
                fits.append((distances[member], freedom[member]))
    if not fits:
        return 1.0
    distances, freedom = np.array(fits).T
    width = procedures[0].shape[1]
    rejected = lambda factor: (f.sf(distances / factor / width, width, freedom) < TYPICAL).sum()
    return next((factor for factor in 20 ** (np.arange(61) / 60) if rejected(factor) * 20 <= len(fits)), 20.0)


def answer(population, run, at, factor):
    """The likeliest procedures, as many as have 95 % of the probability; none where even the likeliest is untypical."""
    likelihoods, distances, freedom = population.fits(run)
    order = np.argsort(-likelihoods)
    if f.sf(distances / factor / len(run), len(run), freedom)[order[0]] < TYPICAL:
        return []
    return list(order[: np.searchsorted(np.cumsum(probabilities(likelihoods, at)[order]), SURE) + 1])


def count(name, procedures, trials):
    at, factor = temperature(procedures), stretch(procedures)
    found = {"likeliest": 0, "sure and right": 0, "sure and wrong": 0, "among": 0, "not among": 0, "none": 0}
    lost = {"none": 0, "unsure": 0, "sure": 0}
    for truth, run, known in trials:
        named = answer(Population(known), run, at, factor)
        found["likeliest"] += named[:1] == [truth]
        kind = {0: "none", 1: "sure and " + ("right" if named == [truth] else "wrong")}.get(len(named), "among" if truth in named else "not among")
        found[kind] += 1
        named = answer(Population([runs for place, runs in enumerate(known) if place != truth]), run, at, factor)
        lost[{0: "none", 1: "sure"}.get(len(named), "unsure")] += 1
    print(f"{name}: {len(trials)} runs of {len(procedures)} procedures, temperature {at:.2f}, stretch {factor:.2f}; {found}; with their own procedure taken away {lost}")


miniature, squeezenet, statistics = map(read, sys.argv[1:])
for learnt in [(0, 1, 2), (2, 6, 11)]:
    known = [np.array([runs[seed] for seed in learnt]) for runs in miniature]
    count(f"miniature by seeds {learnt}", known, [(place, runs[seed], known) for place, runs in enumerate(miniature) for seed in range(12) if seed not in learnt])
for name, experiment in [("squeezenet", squeezenet), ("statistics", statistics)]:
    # A procedure's seeds are 0, 1, 2, ...
    known = [np.array([runs[seed] for seed in sorted(runs)]) for runs in experiment]
    count(name, known, [(place, runs[run], without(known, place, run)) for place, runs in enumerate(known) for run in range(len(runs))])
