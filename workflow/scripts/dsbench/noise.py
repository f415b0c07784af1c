"""How far a measured figure is known, and whether two figures differ by more than that.

After JCGM 100:2008 (GUM): a percentile becomes a standard uncertainty by the factor of its level (4.3.4), two
independent ones combine as the root of the sum of their squares (5.1.2), and the difference is judged at the coverage
factor 2, a level of about 95 % (6.3.3). A share of counted boxes has the binomial standard deviation.
"""

import math

COVERAGE_FACTOR = 2
# Of a normal distribution: what lies between the median and the percentile, in standard deviations.
FACTORS = {"p95_ms": 1.645, "p99_ms": 2.326}


def latency_spread_ms(rate: dict) -> float | None:
    """Return the standard uncertainty of a latency in ms, from its highest known percentile up to 95; else 99.

    It is that of a single batch, not of the mean over thousands: those of one run share its clock and temperature,
    which the next run has otherwise.
    """
    percentile = next((name for name in FACTORS if rate[name] is not None), None)
    if percentile is None or rate["gpu_median_ms"] is None:
        return None
    return max(rate[percentile] - rate["gpu_median_ms"], 0.0) / FACTORS[percentile]


def rate_spread(rate: dict) -> float | None:
    """Return the standard uncertainty of trtexec's images/s: in percent it is that of the latency."""
    spread_ms = latency_spread_ms(rate)
    return None if spread_ms is None else rate["imgs_per_sec"] * spread_ms / rate["gpu_mean_ms"]


def run_spread(run: dict) -> float | None:
    """Return the standard uncertainty of a DeepStream run's total frames/s: the deviation of its windows."""
    return None if run["cov_pct"] is None else run["total_fps"] * run["cov_pct"] / 100


def share_spread(share: float | None, boxes: int) -> float | None:
    """Return the binomial standard deviation of a share, 0 to 1, counted over `boxes`."""
    return None if share is None or not boxes else math.sqrt(share * (1 - share) / boxes)


def is_noise(before: float, now: float, spreads: tuple[float, float]) -> bool:
    """Return whether a difference is within the combined uncertainty of both figures."""
    return abs(now - before) <= COVERAGE_FACTOR * math.hypot(*spreads)
