"""GARCH(1,1) through `arch`, fitted again and again on what was known at the time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from citadel_kit.errors import ConfigError, DataError
from citadel_kit.macro.indicators import Floats, by_run, compiled


class GarchFit(NamedTuple):
    """variance[t + 1] = omega + (alpha + gamma × [e[t] < 0]) e[t]² + beta variance[t], with e = return -
    mu."""

    mu: float
    omega: float
    alpha: float
    gamma: float
    """Extra weight of a fall (Glosten, Jagannathan and Runkle 1993); 0 where not asked for."""
    beta: float
    log_likelihood: float
    start: float
    """Variance before the first return."""


def fit_garch(returns: Floats, asymmetric: bool = False, sample_start: bool = False) -> GarchFit:
    """Maximum likelihood of normal innovations around a constant mean. The recursion starts at `arch`'s own
    exponential mean of the first squares, or with `sample_start` at the sample's variance.

    The returns are scaled to unit deviation for the optimiser and the result is scaled back. Raises DataError
    where the optimiser doesn't converge or nothing moves.
    """
    from arch import arch_model

    scale = float(np.std(returns))
    if not (np.isfinite(returns).all() and scale > 1e-12 * float(np.abs(returns).max(initial=0.0))):
        raise DataError("GARCH: the returns hold a NaN or don't move; give a stretch without holes")
    scaled = returns / scale
    model = arch_model(scaled, mean="Constant", vol="GARCH", p=1, o=int(asymmetric), q=1, rescale=False)
    start = 1.0 if sample_start else float(model.volatility.backcast(scaled - scaled.mean()))
    options = {"ftol": 1e-12, "maxiter": 500}
    fit = model.fit(disp="off", show_warning=False, backcast=start, options=options)
    if fit.convergence_flag != 0:
        raise DataError(f"GARCH: no convergence on {len(returns)} returns; give more of them")
    value = {name: float(v) for name, v in fit.params.items()}
    return GarchFit(
        mu=value["mu"] * scale,
        omega=value["omega"] * scale**2,
        alpha=value["alpha[1]"],
        gamma=value.get("gamma[1]", 0.0),
        beta=value["beta[1]"],
        log_likelihood=float(fit.loglikelihood) - len(returns) * float(np.log(scale)),
        start=start * scale**2,
    )


@by_run
def garch_volatility(
    returns: Floats, window: int = 1000, every: int = 250, asymmetric: bool = False
) -> Floats:
    """Forecast for the bar after t from returns up to t: fitted on the last `window` returns, again every
    `every` bars, and filtered in between. Where a fit doesn't converge the parameters before it stay. NaN in
    the first `window` - 1 bars. Raises ConfigError for a window below 100.
    """
    if window < 100:
        raise ConfigError("window", f"{window} returns for GARCH", "Use 100 at least")
    out = np.full(len(returns), np.nan)
    fit: GarchFit | None = None
    for now in range(window - 1, len(returns), every):
        past = returns[now - window + 1 : now + 1]
        try:
            fit = fit_garch(past, asymmetric)
        except DataError:
            if fit is None:
                continue
        stop = min(now + every, len(returns))
        known = returns[now - window + 1 : stop]
        out[now:stop] = _filter(known, *fit[:5], fit.start)[window - 1 :]
    return out


@compiled
def _filter(
    returns: Floats, mu: float, omega: float, alpha: float, gamma: float, beta: float, start: float
) -> Floats:
    """The deviation expected of the next return, after each."""
    out = np.empty(len(returns))
    variance = omega + (alpha + 0.5 * gamma + beta) * start
    for t in range(len(returns)):
        shock = returns[t] - mu
        variance = omega + (alpha + (gamma if shock < 0.0 else 0.0)) * shock * shock + beta * variance
        out[t] = np.sqrt(variance)
    return out
