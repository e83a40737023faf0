"""Values of SciPy that the tests of thaw-analysis quote; run with any current SciPy and statsmodels and compare what it prints."""

import numpy
import scipy
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import binomtest, f, multivariate_t, nct, studentized_range, t, trim_mean
from statsmodels.stats.multitest import multipletests

print("SciPy", scipy.__version__)
for one, other in [(0, 0), (3, 1), (10, 10), (30, 12), (61, 100), (5, 40)]:
    print(f"binomtest({one}, {one + other}, 0.5): {binomtest(one, one + other, 0.5).pvalue!r}" if one + other else "binomtest of nothing: 1.0")
for degrees in [1, 2, 9]:
    print(f"t.ppf(0.975, {degrees}): {t.ppf(0.975, degrees)!r}")

values = [0.3, 0.9, 0.1, 0.7, 0.2, 0.65, 0.4, 0.8, 0.35]
print(f"median: {numpy.median(values)!r}, trim_mean(0.25): {trim_mean(values, 0.25)!r}")

# Holm's adjustment of four p-values.
print(f"Holm: {multipletests([0.01, 0.04, 0.03, 0.005], method='holm')[1].tolist()!r}")

# The range of means that are all equal, in standard errors of one mean.
for range_, count, freedom in [(3.0, 2, 2.0), (3.5, 4, 6.5), (5.0, 12, 24.0), (4.0, 20, 3.2), (6.0, 20, 60.0), (4.5, 30, 1.0), (4.0, 12, 301.0)]:
    print(f"studentized_range.sf({range_}, {count}, {freedom}): {studentized_range.sf(range_, count, freedom)!r}")


def power(shift, pairs):
    """Of the two-sided paired t-test at 5 % for a true mean of `shift` standard deviations."""
    critical, center = t.ppf(0.975, pairs - 1), shift * numpy.sqrt(pairs)
    return nct.sf(critical, pairs - 1, center) + nct.cdf(-critical, pairs - 1, center)


for pairs in [3, 5, 10, 30, 301]:
    print(f"smallest shift seen with a power of 0.8 by {pairs} pairs: {brentq(lambda shift: power(shift, pairs) - 0.8, 1e-3, 6.5 / pairs**0.5)!r}")

# The distribution of a curve's features under a cell: multivariate t, and how untypical a point is of it.
location, shape, freedom = numpy.array([0.5, -1.0, 2.0]), numpy.array([[2.0, 0.3, -0.1], [0.3, 1.0, 0.2], [-0.1, 0.2, 0.5]]), 4.0
point = numpy.array([1.0, 0.5, 1.5])
print(f"multivariate t, ln density: {multivariate_t.logpdf(point, location, shape, freedom)!r}")
distance = (point - location) @ numpy.linalg.solve(shape, point - location)
print(f"squared distance: {distance!r}, upper tail: {f.sf(distance / 3, 3, freedom)!r}")

# Smyth (2004): the distribution of variances to which each is drawn, with one number of degrees of freedom for all features (columns).
variances, degrees = numpy.array([[0.5, 3.0], [2.0, 1.0], [0.01, 40.0], [0.9, 0.2]]), numpy.array([2, 2, 1, 3])
logarithms = numpy.log(variances) - (digamma(degrees / 2) - numpy.log(degrees / 2))[:, None]
excess = logarithms.var(axis=0, ddof=1).mean() - polygamma(1, degrees / 2).mean()
prior = 2 * brentq(lambda half: polygamma(1, half) - excess, 1e-3, 1e3, xtol=1e-15)
center = numpy.exp(logarithms.mean(axis=0) + digamma(prior / 2) - numpy.log(prior / 2))
moderated = (prior * center + degrees[:, None] * variances) / (prior + degrees)[:, None]
print(f"prior degrees of freedom: {prior!r}, variances: {center.tolist()!r}, moderated: {moderated.T.tolist()!r}")
