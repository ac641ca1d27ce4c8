"""From a booster's score to a probability that comes true as often as it says."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import Floats

KINDS: Final = ("none", "platt", "isotonic")
_CLIP: Final = 1e-6


class Calibration(NamedTuple):
    """A map of [0, 1] to itself that never falls. Plain numbers, so that a manifest can hold it."""

    kind: str = "none"
    x: tuple[float, ...] = ()
    """isotonic: knots, between which it is linear."""
    y: tuple[float, ...] = ()
    """isotonic: values at the knots. platt: slope and shift of the log-odds."""

    def __call__(self, p: Floats) -> Floats:
        if self.kind == "none":
            return p
        if self.kind == "platt":
            slope, shift = self.y
            return np.asarray(1.0 / (1.0 + np.exp(-(slope * _log_odds(p) + shift))), dtype=np.float64)
        return np.asarray(np.interp(p, self.x, self.y), dtype=np.float64)


NO_CALIBRATION: Final = Calibration()


def calibrate(kind: str, p: Floats, y: Floats, weight: Floats) -> Calibration:
    """Fitted on probabilities `p` of rows that the booster did not learn from, and their classes `y`.

    `platt`: logistic regression on the log-odds (Platt 1999), its slope not negative. `isotonic`: the nearest
    rising steps (Zadrozny and Elkan 2002), which need a thousand rows or more. One class only, or a slope
    below 0 (the scores rank worse than chance), gives the share of class 1 whatever the score.
    """
    check_kind(kind)
    if kind == "none":
        return NO_CALIBRATION
    share = float(np.clip(np.average(y, weights=weight), _CLIP, 1 - _CLIP)) if len(y) else 0.5
    flat = Calibration("isotonic", (0.0, 1.0), (share, share))
    if len(y) == 0 or y.min() == y.max():
        return flat
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        steps = IsotonicRegression(y_min=_CLIP, y_max=1 - _CLIP).fit(p, y, weight)
        return Calibration(kind, tuple(steps.X_thresholds_.tolist()), tuple(steps.y_thresholds_.tolist()))
    from sklearn.linear_model import LogisticRegression

    line = LogisticRegression(C=np.inf).fit(_log_odds(p)[:, None], y, weight)
    slope = float(line.coef_[0, 0])
    return Calibration(kind, (), (slope, float(line.intercept_[0]))) if slope > 0 else flat


def check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ConfigError("training.calibration", f"{kind!r} is none of {', '.join(KINDS)}")


def _log_odds(p: Floats) -> Floats:
    p = np.clip(p, _CLIP, 1 - _CLIP)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float64)
