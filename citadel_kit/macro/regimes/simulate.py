"""Series whose Hurst exponent is known, for calibration. The random draws come in as arguments."""

from __future__ import annotations

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import Floats


def fractional_noise(hurst: float, draws: Floats) -> Floats:
    """Fractional Gaussian noise of unit variance from independent standard normals, exact at every lag
    (Davies and Harte 1987: circulant embedding).

    `draws` has the shape (…, 2 n) and gives (…, n) values. Raises ConfigError unless 0 < hurst < 1.
    """
    n = draws.shape[-1] // 2
    if not 0.0 < hurst < 1.0 or n < 1 or draws.shape[-1] != 2 * n:
        raise ConfigError("hurst", f"{hurst} with {draws.shape[-1]} draws: between 0 and 1, an even number")
    k, power = np.arange(n + 1, dtype=np.float64), 2.0 * hurst
    covariance = 0.5 * (np.abs(k - 1) ** power - 2.0 * k**power + (k + 1) ** power)
    circle = np.concatenate((covariance, covariance[n - 1 : 0 : -1]))
    eigenvalues = np.maximum(np.fft.rfft(circle).real, 0.0)  # of this covariance none is below 0
    parts = np.zeros((*draws.shape[:-1], n + 1), dtype=np.complex128)
    parts[..., 0], parts[..., n] = draws[..., 0], draws[..., 1]
    parts[..., 1:n] = (draws[..., 2 : n + 1] + 1j * draws[..., n + 1 :]) / np.sqrt(2.0)
    noise = np.fft.irfft(parts * np.sqrt(eigenvalues * 2 * n), n=2 * n, axis=-1)
    return np.asarray(noise[..., :n], dtype=np.float64)
