"""Values of SciPy that the tests of thaw-analysis quote; run with any current SciPy and compare what it prints."""

import scipy
from scipy.stats import binomtest, t

print("SciPy", scipy.__version__)
for one, other in [(0, 0), (3, 1), (10, 10), (30, 12), (61, 100), (5, 40)]:
    print(f"binomtest({one}, {one + other}, 0.5): {binomtest(one, one + other, 0.5).pvalue!r}" if one + other else "binomtest of nothing: 1.0")
for degrees in [1, 2, 9]:
    print(f"t.ppf(0.975, {degrees}): {t.ppf(0.975, degrees)!r}")
