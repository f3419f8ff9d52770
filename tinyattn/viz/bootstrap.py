"""How sure is a mean? Draw the images again, with replacement, many times, and see how far it moves. (B. Efron, Ann. Statist. 7, 1979)"""
import numpy as np

TIMES = 1000


def interval(values, seed=0, level=0.95):
    """The mean of values (N,), and the percentile interval (low, high) of the means of samples drawn from them."""
    values = np.asarray(values, np.float64)
    picks = np.random.default_rng(seed).integers(0, len(values), (TIMES, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(values.mean()), (float(low), float(high))


def better(values, others, lower=False, seed=0):
    """Whether values (N,) are better than `others` (N,) image by image: the interval of the mean difference is all on the good side.

    lower: small values are good. Pairs cancel what makes an image easy or hard for every map.
    """
    _, (low, high) = interval(np.asarray(values, np.float64) - others, seed)
    return high < 0 if lower else low > 0
