from __future__ import annotations

import numpy as np
import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.macro.sizing import SizingConfig, target_fraction


def test_target_over_volatility_with_a_cap_and_nothing_without_a_measure() -> None:
    volatility = np.array([0.4, 0.8, 0.01, 0.0, np.nan, np.inf, -1.0])
    assert target_fraction(volatility).tolist() == [0.5, 0.25, 0.5, 0.0, 0.0, 0.0, 0.0]
    config = SizingConfig(target_volatility=0.4, cap=0.9)
    assert target_fraction(volatility[:2], config).tolist() == [0.9, 0.5]


@pytest.mark.parametrize("bad", [{"target_volatility": 0.0}, {"cap": 1.5}, {"cap": -0.1}])
def test_unusable_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="sizing"):
        target_fraction(np.array([0.5]), SizingConfig()._replace(**bad))
