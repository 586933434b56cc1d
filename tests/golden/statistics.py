#!/usr/bin/env python3
"""Makes statistics.json, what SciPy, NumPy and mpmath answer: python3 tests/golden/statistics.py

Made with SciPy 1.10.1, NumPy 1.24.2, mpmath 1.2.1 (Debian 12: python3-scipy, python3-mpmath). The specs read the JSON
file only. Distribution functions are mpmath's with 40 digits, the rest SciPy's with its defaults; None stands for NaN.
"""
import json
import os
import warnings

import mpmath
import numpy as np
from mpmath import mp, mpf
from scipy import stats
from scipy.stats import _resampling

mp.dps = 40
warnings.simplefilter("ignore")


def number(value):
    value = float(value)
    return value if np.isfinite(value) else None


# ------------------------------------------------------------------ samples

def samples():
    rng = np.random.default_rng(20)
    normal = lambda n, shift=0.0: [float(v) for v in rng.normal(size=n) + shift]
    whole = lambda n, most: [float(v) for v in rng.integers(0, most, n)]
    return {
        "one": [0.25],
        "two": [0.5, -1.5],
        "two_equal": [0.1, 0.1],
        "three": [3.0, 1.0, 2.0],
        "three_equal": [0.1, 0.1, 0.1],
        "five": [0.31, 0.28, 0.35, 0.30, 0.29],
        "six": normal(6), "six_up": normal(6, 1.0), "eight": normal(8), "nine": normal(9), "nine_up": normal(9, 2.0),
        "ten_ties": [1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0, 5.0, 6.0],
        "ten_ties_too": [2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 4.0, 5.0, 6.0, 7.0],
        "ten_zeros": [0.0, 0.0, 1.0, -1.0, 2.0, 3.0, 0.0, 4.0, -2.0, 5.0],
        "ten_all_zero": [0.0] * 10,
        "twelve": normal(12), "twenty": normal(20), "twenty_up": normal(20, 0.5),
        "thirty": normal(30), "thirty_up": normal(30, 0.3), "thirty_ties": whole(30, 6), "thirty_ties_too": whole(30, 8),
        "fifty": normal(50, 0.2), "fifty_one": normal(51, 0.2), "hundred": normal(100),
        "large": [1e8 + v for v in normal(7)], "tiny": [1e-12 * v for v in normal(7)],
    }


def describe(x):
    half = None
    if len(x) > 1:
        half = number(t_quantile(mpf(975) / 1000, len(x) - 1) * mpf(np.std(x, ddof=1)) / mp.sqrt(len(x)))
    return {
        "mean": number(np.mean(x)), "std": number(np.std(x, ddof=1)), "median": number(np.median(x)),
        "iqm": number(stats.trim_mean(x, 0.25)), "quantiles": [number(v) for v in np.quantile(x, [0, 0.1, 0.25, 0.9, 1])],
        "half": half,
    }


# ------------------------------------------------------------------ distributions

def t_two_sided(t, n):
    t, n = mpf(t), mpf(n)
    return mpmath.betainc(n / 2, mpf(1) / 2, 0, n / (n + t * t), regularized=True)


def t_quantile(p, n):
    """Newton from SciPy's answer, which has 9 digits or more."""
    p, n = mpf(p), mpf(n)
    t = mpf(float(stats.t.ppf(float(p), float(n))))
    for _ in range(4):
        tail = t_two_sided(t, n) / 2
        cdf = 1 - tail if t > 0 else tail
        density = mp.gamma((n + 1) / 2) / mp.sqrt(n * mp.pi) / mp.gamma(n / 2) * (1 + t * t / n) ** (-(n + 1) / 2)
        t -= (cdf - p) / density
    return t


def distributions():
    rows = []

    def add(name, value, *arguments):
        rows.append({"f": name, "x": [float(a) for a in arguments], "y": float(value)})

    for x in [-37, -20, -8.5, -5.7, -5.6, -3, -1.96, -0.7, -0.67, -1e-5, 0, 1e-9, 0.3, 0.675, 1, 2, 4, 5.7, 8]:
        add("normal_cdf", mp.ncdf(x), x)
        add("normal_sf", mp.ncdf(-mpf(x)), x)
    for p in [1e-300, 1e-100, 1e-20, 1e-10, 1e-5, 0.001, 0.025, 0.07, 0.074, 0.1, 0.3, 0.6, 0.925, 0.93, 0.975, 0.999]:
        x = mpf(float(stats.norm.ppf(p)))
        for _ in range(4):
            x -= (mp.ncdf(x) - mpf(p)) / mp.npdf(x)
        add("normal_quantile", x, p)
    for x in [1e-8, 0.1, 0.5, 1.5, 2.5, 3, 5, 9.9, 10, 20.5, 100, 1000]:
        add("log_gamma", mp.loggamma(x), x)
    for a in [0.3, 0.5, 1, 2, 3.5, 9, 12, 50]:
        for b in [0.5, 1, 4, 12, 60]:
            add("log_beta", mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(mpf(a) + mpf(b)), a, b)
            for x in [1e-3, 0.1, 0.3, 0.5, 0.7, 0.9]:
                add("beta_cdf", mpmath.betainc(a, b, 0, x, regularized=True), x, a, b)
    for n in [0.5, 1, 1.5, 2, 3, 4, 7.3, 19, 29, 60, 100.7]:
        for t in [1e-8, 0.01, 0.5, 1, 1.96, 3, 6, 12, 40, 1000]:
            add("t_two_sided", t_two_sided(t, n), t, n)
        for t in [-3, -0.5, 0.7, 2.1]:
            tail = t_two_sided(t, n) / 2
            add("t_cdf", tail if t < 0 else 1 - tail, t, n)
        for p in [0.005, 0.025, 0.2, 0.6, 0.9, 0.95, 0.975, 0.995, 0.9999]:
            add("t_quantile", t_quantile(p, n), p, n)
    return rows


# ------------------------------------------------------------------ tests

def paired(x, y):
    d = np.asarray(x) - np.asarray(y)
    row = {"effect": number(d.mean() / d.std(ddof=1)) if len(d) > 1 else None}
    if np.any(d != 0):
        w = stats.wilcoxon(d)
        row["wilcoxon"] = {"p": number(w.pvalue), "statistic": number(w.statistic)}
    if 2 <= len(d) <= 12:
        two = stats.permutation_test((d,), lambda z, axis: np.mean(z, axis=axis), permutation_type="samples",
                                     n_resamples=np.inf, vectorized=True)
        row["sign_flip"] = number(two.pvalue)
    return row


def unpaired(x, y):
    x, y = np.asarray(x), np.asarray(y)
    u = stats.mannwhitneyu(x, y)
    row = {"mann_whitney": {"p": number(u.pvalue), "statistic": number(u.statistic)},
           "improvement": number(1 - u.statistic / (len(x) * len(y)))}  # U / (n m) = P(X > Y) + P(X = Y) / 2
    if len(x) > 1 and len(y) > 1:
        a, b = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
        w = stats.ttest_ind(x, y, equal_var=False)
        row["welch"] = {"p": number(w.pvalue), "t": number(w.statistic)}
        if a + b > 0:
            row["welch"]["freedom"] = number((a + b) ** 2 / (a ** 2 / (len(x) - 1) + b ** 2 / (len(y) - 1)))
        pooled = np.sqrt(((len(x) - 1) * x.var(ddof=1) + (len(y) - 1) * y.var(ddof=1)) / (len(x) + len(y) - 2))
        row["cohen_d"] = number((x.mean() - y.mean()) / pooled)
    return row


PAIRED = [("one", "one"), ("two", "two_equal"), ("three", "three_equal"), ("six", "six_up"), ("nine", "nine_up"),
          ("ten_ties", "ten_ties_too"), ("ten_zeros", "ten_all_zero"), ("ten_all_zero", "ten_all_zero"),
          ("twenty", "twenty_up"), ("thirty", "thirty_up"), ("thirty_ties", "thirty_ties_too")]

UNPAIRED = [("one", "two"), ("two", "three"), ("three", "six"), ("six", "six_up"), ("six", "thirty"), ("eight", "hundred"),
            ("nine", "nine_up"), ("nine", "twelve"), ("ten_ties", "ten_ties_too"), ("ten_all_zero", "ten_all_zero"),
            ("twenty", "twenty_up"), ("thirty_ties", "thirty_ties_too"), ("three", "hundred"), ("two", "hundred"),
            ("fifty", "hundred"), ("large", "six")]


# ------------------------------------------------------------------ bootstrap

def uniform(seed):
    """The generator of mapgrad.statistics.stream: L'Ecuyer 1988."""
    s = seed % 2147483646 + 1
    a = 48271 * s % 2147483647
    b = 48271 * a % 2147483647
    a, b = a % 2147483562 + 1, b % 2147483398 + 1
    k = 0
    while True:
        a, b = 40014 * a % 2147483563, 40692 * b % 2147483399
        d = a - b
        if d < 1:
            d += 2147483562
        k += 1
        if k > 10:
            yield d / 2147483563


def rows(seed, n, count):
    u = uniform(seed)
    return np.array([[int(next(u) * n) for _ in range(n)] for _ in range(count)])


STATISTICS = {
    "mean": lambda x, axis=-1: np.mean(x, axis=axis),
    "median": lambda x, axis=-1: np.median(x, axis=axis),
    "iqm": lambda x, axis=-1: stats.trim_mean(x, 0.25, axis=axis),
}


def percentiles(values, level=0.95):
    return [number(np.percentile(values, 50 * (1 - level))), number(np.percentile(values, 50 * (1 + level)))]


def settle(values, estimate):
    """Values that differ from the estimate by rounding alone made equal to it, as BCa's bias counts ties."""
    return np.where(np.abs(values - estimate) <= 1e-12 * np.max(np.abs(values)), estimate, values)


def bootstrap(x, name, count=999, level=0.95):
    """The intervals for our resamples by SciPy's formulas, and by SciPy's own resamples with their spread."""
    x, f = np.sort(x), STATISTICS[name]
    values = settle(f(x[rows(1, len(x), count)], axis=-1), f(x))
    low, high, _ = _resampling._bca_interval((x,), f, -1, (1 - level) / 2, values, None)
    bca = [number(np.percentile(values, 100 * low)), number(np.percentile(values, 100 * high))]
    own = []
    for seed in range(40):
        r = stats.bootstrap((x,), f, n_resamples=2000, method="BCa", vectorized=True, axis=-1, random_state=seed)
        own.append([r.confidence_interval.low, r.confidence_interval.high])
    own = np.array(own)
    return {"percentile": percentiles(values, level), "bca": bca, "error": number(np.std(values, ddof=1)),
            "scipy": {"ends": [number(v) for v in own.mean(axis=0)], "deviations": [number(v) for v in own.std(axis=0)]}}


EXACT = [0.125, 0.25, 0.75, 1.0]  # sums and means of four are exact


def difference(x, y, count=999):
    x, y = np.sort(x), np.sort(y)
    values = x[rows(1, len(x), count)].mean(axis=-1) - y[rows(2, len(y), count)].mean(axis=-1)
    f = lambda a, b, axis=-1: np.mean(a, axis=axis) - np.mean(b, axis=axis)
    values = settle(values, f(x, y))
    low, high, _ = _resampling._bca_interval((x, y), f, -1, 0.025, values, None)
    return {"percentile": percentiles(values),
            "bca": [number(np.percentile(values, 100 * low)), number(np.percentile(values, 100 * high))]}


def aggregate(groups, repeats=20, count=5000):
    """Stratified bootstrap of the interquartile mean by NumPy's generator: ends of percentile intervals, their spread."""
    rng, ends = np.random.default_rng(5), []
    for _ in range(repeats):
        parts = [np.asarray(g)[rng.integers(0, len(g), (count, len(g)))] for g in groups]
        ends.append(percentiles(stats.trim_mean(np.concatenate(parts, axis=1), 0.25, axis=1)))
    ends = np.array(ends)
    return {"estimate": number(stats.trim_mean(np.concatenate([np.asarray(g) for g in groups]), 0.25)),
            "ends": [number(v) for v in ends.mean(axis=0)], "deviations": [number(v) for v in ends.std(axis=0)]}


def chance(x, y, repeats=20, count=2000):
    """Bootstrap of P(X < Y) + P(X = Y) / 2 by NumPy's generator."""
    rng, ends = np.random.default_rng(6), []
    x, y = np.asarray(x), np.asarray(y)
    for _ in range(repeats):
        a = x[rng.integers(0, len(x), (count, len(x)))][:, :, None]
        b = y[rng.integers(0, len(y), (count, len(y)))][:, None, :]
        ends.append(percentiles(((a < b) + 0.5 * (a == b)).mean(axis=(1, 2))))
    ends = np.array(ends)
    return {"ends": [number(v) for v in ends.mean(axis=0)], "deviations": [number(v) for v in ends.std(axis=0)]}


def main():
    s = samples()
    strata = ["six", "six_up", "nine", "nine_up"]
    document = {
        "about": "made by tests/golden/statistics.py with SciPy 1.10.1, NumPy 1.24.2, mpmath 1.2.1",
        "samples": s, "describe": {name: describe(x) for name, x in s.items()}, "distributions": distributions(),
        "paired": [dict(x=a, y=b, **paired(s[a], s[b])) for a, b in PAIRED],
        "wilcoxon": [{"x": n, "p": number(stats.wilcoxon(s[n]).pvalue)} for n in ["fifty", "fifty_one", "hundred"]],
        "unpaired": [dict(x=a, y=b, **unpaired(s[a], s[b])) for a, b in UNPAIRED],
        "bootstrap": [dict(x=n, statistic=f, **bootstrap(s[n], f)) for n in ["five", "ten_ties", "twelve", "thirty"]
                      for f in STATISTICS if not (n == "ten_ties" and f != "mean")],
        "difference": [dict(x=a, y=b, **difference(s[a], s[b])) for a, b in [("six", "nine"), ("five", "thirty")]],
        "aggregate": dict(groups=strata, **aggregate([s[n] for n in strata])),
        "exact": {"x": EXACT, "percentile": percentiles(np.asarray(EXACT)[rows(1, 4, 1001)].mean(axis=-1))},
        "chance": dict(x="twelve", y="twenty_up", **chance(s["twelve"], s["twenty_up"])),
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "statistics.json")
    with open(path, "w") as file:
        json.dump(document, file, indent=0, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
