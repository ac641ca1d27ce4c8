"""How long something takes to or from a venue: distributions with a seed."""

from __future__ import annotations

import math
import random
from typing import Final, NamedTuple

from citadel_kit.errors import ConfigError

_MILLISECOND: Final = 1_000_000
_SHAPES: Final = {"constant": 1, "uniform": 2, "lognormal": 2}


class Latency(NamedTuple):
    """Milliseconds, one way. `constant:5`, `uniform:2:8` (least, most), `lognormal:5:0.5` (median, sigma of
    the logarithm)."""

    shape: str = "constant"
    a: float = 0.0
    b: float = 0.0

    def draw_ns(self, rng: random.Random) -> int:
        if self.shape == "uniform":
            return int(rng.uniform(self.a, self.b) * _MILLISECOND)
        if self.shape == "lognormal":
            return int(self.a * math.exp(self.b * rng.gauss(0.0, 1.0)) * _MILLISECOND)
        return int(self.a * _MILLISECOND)

    @classmethod
    def parse(cls, text: str) -> Latency:
        """Raises ConfigError for what is none of the three."""
        shape, *numbers = text.split(":")
        try:
            values = [float(number) for number in numbers]
        except ValueError:
            values = []
        if len(values) != _SHAPES.get(shape, -1) or not all(0 <= v <= 60_000 for v in values):
            raise ConfigError("latency", f"{text!r}", "constant:5, uniform:2:8 or lognormal:5:0.5, in ms")
        if shape == "uniform" and values[0] > values[1]:
            raise ConfigError("latency", f"{text!r}: the least is more than the most")
        return cls(shape, *values)
