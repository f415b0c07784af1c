"""How long a batch takes, by its size: models fitted to what trtexec measured at a few batches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import linear_regression

from dsbench.core.errors import BuildError

# Between the smallest and the largest batch; less is noise.
LEAST_RISE = 0.01
# Between the quickest and the slowest batch of times that are called the same; more is a disturbed measurement.
MOST_SPREAD = 0.1
POWER_LAW, AFFINE, CONSTANT = "power law", "affine", "constant"


class BatchTimeError(BuildError):
    """Measured times that no model of the time of a batch fits."""


@dataclass(frozen=True)
class BatchTime:
    """The time of a batch in ms: `fixed_ms + scaled_ms * batch ** exponent`.

    A power law of the queries/s has no fixed part, an affine time has the exponent 1, a constant time has a fixed part
    alone. `residuals_pct` say for each measured batch, in rising order, how far the fitted queries/s lie above the
    measured ones.
    """

    kind: str
    fixed_ms: float
    scaled_ms: float
    exponent: float
    residuals_pct: list[float]

    def ms(self, batch: float) -> float:
        """Return the time of one batch in ms."""
        return _ms(batch, self.fixed_ms, self.scaled_ms, self.exponent)

    def largest_batch(self, limit_ms: float, most: int) -> int:
        """Return the largest batch up to `most` that takes `limit_ms` at most; 0 where a batch of 1 takes longer."""
        return next((batch for batch in range(most, 0, -1) if self.ms(batch) <= limit_ms), 0)

    @property
    def error_pct(self) -> float:
        """Return the root of the mean square of the residuals."""
        return math.sqrt(math.fsum(each**2 for each in self.residuals_pct) / len(self.residuals_pct))


def fit_batch_times(times_ms: Mapping[int, float]) -> list[BatchTime]:
    """Return the models of `times_ms`, batch to ms, that rise with the batch, the closest first.

    Two points fit both models; then the power law is first. Where neither rises, for one batch too, the time is
    constant, and says nothing of batches above the measured ones. Raises BatchTimeError for times that neither rise nor
    are the same within a tenth.
    """
    points = sorted(times_ms.items())
    rising = [fit for kind in _RISING if len(points) > 1 and _rises(fit := _fitted(kind, points), points)]
    if rising:
        # Rounding tells nothing of which is closer.
        return sorted(rising, key=lambda fit: round(fit.error_pct, 6))
    if max(times_ms.values()) > (1 + MOST_SPREAD) * min(times_ms.values()):
        told = ", ".join(f"batch {batch} in {ms:.2f} ms" for batch, ms in points)
        raise BatchTimeError(
            f"trtexec measured {told}; expected a larger batch to take longer, or all to take the same"
        )
    return [_fitted(CONSTANT, points)]


def _ms(batch: float, fixed_ms: float, scaled_ms: float, exponent: float) -> float:
    return fixed_ms + scaled_ms * batch**exponent


def _power_law(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    slope, intercept = linear_regression(
        [math.log(batch) for batch, _ in points], [math.log(ms) for _, ms in points]
    )
    return 0.0, math.exp(intercept), slope


def _affine(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Return the line with the least squares of relative errors: those of small batches count as much as of large."""
    rows = [(1 / ms, batch / ms) for batch, ms in points]
    uu, uv, vv = (math.fsum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    u, v = (math.fsum(column) for column in zip(*rows, strict=True))
    determinant = uu * vv - uv**2
    return (u * vv - v * uv) / determinant, (uu * v - uv * u) / determinant, 1.0


def _constant(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Return the time with the least squares of relative errors."""
    return math.fsum(1 / ms for _, ms in points) / math.fsum(1 / ms**2 for _, ms in points), 0.0, 1.0


_RISING = {POWER_LAW: _power_law, AFFINE: _affine}
_MODELS = _RISING | {CONSTANT: _constant}


def _fitted(kind: str, points: list[tuple[int, float]]) -> BatchTime:
    parameters = _MODELS[kind](points)
    residuals = [100 * (ms / _ms(batch, *parameters) - 1) for batch, ms in points]
    return BatchTime(kind, *parameters, residuals_pct=residuals)


def _rises(fit: BatchTime, points: list[tuple[int, float]]) -> bool:
    return 0 < (1 + LEAST_RISE) * fit.ms(points[0][0]) < fit.ms(points[-1][0])
