"""How long a batch takes, by its size: two models, fitted to what trtexec measured at a few batches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import linear_regression

from dsbench.core.errors import BuildError

# Between the smallest and the largest batch; less is noise.
LEAST_RISE = 0.01
POWER_LAW, AFFINE = "power law", "affine"


class BatchTimeError(BuildError):
    """Measured times that no model of the time of a batch fits."""


@dataclass(frozen=True)
class BatchTime:
    """The time of a batch in ms: `fixed_ms + scaled_ms * batch ** exponent`.

    A power law of the queries/s has no fixed part, an affine time has the exponent 1. `residuals_pct` say for each
    measured batch, in rising order, how far the fitted queries/s lie above the measured ones.
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

    Two points fit both models; then the power law is first. Raises BatchTimeError where fewer than two batches were
    measured, or where no model rises.
    """
    if len(times_ms) < 2:
        raise BatchTimeError(
            f"{len(times_ms)} batches were measured, expected at least 2 to tell how the time of a batch grows"
        )
    points = sorted(times_ms.items())
    fits = [_fitted(kind, points, parameters(points)) for kind, parameters in _MODELS.items()]
    rising = [fit for fit in fits if _rises(fit, points[0][0], points[-1][0])]
    if not rising:
        told = ", ".join(f"batch {batch} in {ms:.2f} ms" for batch, ms in points)
        raise BatchTimeError(f"trtexec measured {told}; expected a larger batch to take longer")
    # Rounding tells nothing of which is closer.
    return sorted(rising, key=lambda fit: round(fit.error_pct, 6))


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


_MODELS = {POWER_LAW: _power_law, AFFINE: _affine}


def _fitted(kind: str, points: list[tuple[int, float]], parameters: tuple[float, float, float]) -> BatchTime:
    residuals = [100 * (ms / _ms(batch, *parameters) - 1) for batch, ms in points]
    return BatchTime(kind, *parameters, residuals_pct=residuals)


def _rises(fit: BatchTime, smallest: int, largest: int) -> bool:
    return 0 < (1 + LEAST_RISE) * fit.ms(smallest) < fit.ms(largest)
