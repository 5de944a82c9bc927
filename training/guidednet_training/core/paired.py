"""What a difference between two models on the same few cases is worth: paired bootstrap over the cases.

Resampling two to four cases gives intervals that are far too narrow, for no resample can leave their range.
The intervals here are therefore those of Student's t with the bootstrap's standard error, widened by
sqrt(n / (n - 1)) because resampling divides by n (Hesterberg, The American Statistician 2015): with two cases
they are wide, as they should be; with many they are the plain bootstrap's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 2000  # the standard error is then known to 2 %
_SEED = 0  # the same cases give the same interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Where the mean difference over all patients like these may lie.

    Attributes
    ----------
    low, high : float
    cases : int
        From how many cases it was reckoned, at least 2.
    """

    low: float
    high: float
    cases: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the difference is more than chance."""
        return self.low > 0 or self.high < 0


def paired_intervals(differences: Floats) -> tuple[Interval | None, tuple[Interval | None, ...]]:
    """Give the intervals of the mean over organs of the organs' mean differences, and of each organ.

    Parameters
    ----------
    differences : ndarray
        (cases, organs) new minus old; NaN where an organ was not scored with both models.

    Returns
    -------
    overall : Interval or None
        None with fewer than two cases.
    organs : tuple
        One for each organ; None where fewer than two cases have it.
    """
    known = np.isfinite(differences)
    values = np.where(known, differences, 0.0)
    count = len(differences)
    if not count or not known.any():
        return None, (None,) * differences.shape[1]
    drawn = np.random.default_rng(_SEED).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    times = (drawn @ known).astype(float)  # (resamples, organs): how often the organ was drawn
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(times > 0, (drawn @ values) / times, np.nan)
        centre = values.sum(0) / known.sum(0)
    organs = tuple(
        _interval(centre[k], means[:, k], int(known[:, k].sum())) for k in range(differences.shape[1])
    )
    overall = _mean_known(means[:, known.any(0)])
    return _interval(float(np.nanmean(centre)), overall, int(known.any(1).sum())), organs


def _mean_known(means: Floats) -> Floats:
    found = np.isfinite(means)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(found, means, 0.0).sum(1) / found.sum(1))


def _interval(centre: float, means: Floats, cases: int) -> Interval | None:
    if cases < 2:
        return None
    from scipy.special import stdtrit  # imported late: the dock opens without it

    error = float(np.nanstd(means)) * math.sqrt(cases / (cases - 1))
    reach = float(stdtrit(cases - 1, (1 + LEVEL) / 2)) * error
    return Interval(float(centre) - reach, float(centre) + reach, cases)
