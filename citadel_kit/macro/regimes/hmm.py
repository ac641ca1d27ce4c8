"""A hidden Markov model of volatility: the alternative to thresholds, fitted causally through `hmmlearn`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import Floats, compiled, finite_runs


class HmmConfig(NamedTuple):
    states: int = 3
    """By rising volatility."""
    window: int = 2000
    """Returns each fit sees."""
    every: int = 500
    """Bars from fit to fit."""
    iterations: int = 50
    """Of expectation and maximisation, at most."""


class HmmFit(NamedTuple):
    """States by rising deviation."""

    start: Floats
    transitions: Floats
    """From row to column."""
    mean: Floats
    deviation: Floats


def fit_hmm(returns: Floats, config: HmmConfig | None = None) -> HmmFit:
    """Gaussian states, started from the quantiles of the returns' sizes: the same input gives the same fit.

    Raises ConfigError for fewer than two states or returns that don't move.
    """
    from hmmlearn.hmm import GaussianHMM  # type: ignore[import-untyped]

    config = config or HmmConfig()
    k, scale = config.states, float(np.std(returns))
    if k < 2 or not scale > 0.0:
        raise ConfigError(
            "hmm", f"{k} states, deviation {scale}", "Use two states at least, and returns that move"
        )
    scaled = (returns / scale)[:, None]
    model = GaussianHMM(
        k, covariance_type="diag", min_covar=1e-6, n_iter=config.iterations, tol=1e-4, init_params=""
    )
    sizes = np.quantile(np.abs(scaled), (np.arange(k) + 0.5) / k) / 0.6745
    model.startprob_ = np.full(k, 1.0 / k)
    model.transmat_ = np.full((k, k), 0.05 / (k - 1)) + np.eye(k) * (0.95 - 0.05 / (k - 1))
    model.means_ = np.zeros((k, 1))
    model.covars_ = np.maximum(sizes, 1e-3)[:, None] ** 2
    model.fit(scaled)
    deviation = np.sqrt(model.covars_.reshape(k))
    order = np.argsort(deviation)
    return HmmFit(
        model.startprob_[order],
        model.transmat_[np.ix_(order, order)],
        model.means_[order, 0] * scale,
        deviation[order] * scale,
    )


def hmm_probabilities(returns: Floats, config: HmmConfig | None = None) -> Floats:
    """P(state at t | returns up to t), one row a bar and one column a state by rising volatility: filtered,
    never smoothed, by a model fitted on the last `window` returns before, again every `every` bars.

    NaN in the first `window` - 1 bars, at the start and behind every NaN. A stretch where nothing moves
    keeps the model before it.
    """
    config = config or HmmConfig()
    if config.window < 100 or config.every < 1:
        raise ConfigError("hmm.window", f"{config}: window 100 at least, every 1 at least")
    out = np.full((len(returns), config.states), np.nan)
    for run in finite_runs(np.isfinite(returns)):
        _walk(np.ascontiguousarray(returns[run], dtype=np.float64), config, out[run])
    return out


def _walk(returns: Floats, config: HmmConfig, out: Floats) -> None:
    fit: HmmFit | None = None
    for now in range(config.window - 1, len(returns), config.every):
        first, stop = now - config.window + 1, min(now + config.every, len(returns))
        if np.std(returns[first : now + 1]) > 0.0:
            fit = fit_hmm(returns[first : now + 1], config)
        if fit is not None:
            out[now:stop] = filter_states(returns[first:stop], *fit)[config.window - 1 :]


@compiled
def filter_states(
    returns: Floats, start: Floats, transitions: Floats, mean: Floats, deviation: Floats
) -> Floats:
    """The forward recursion: P(state | returns up to and including each)."""
    states = len(start)
    out = np.empty((len(returns), states))
    prior, logs = start.copy(), np.empty(states)
    for t in range(len(returns)):
        for s in range(states):
            z = (returns[t] - mean[s]) / deviation[s]
            logs[s] = np.log(prior[s]) - 0.5 * z * z - np.log(deviation[s]) if prior[s] > 0.0 else -np.inf
        top = logs.max()
        total = 0.0
        for s in range(states):
            out[t, s] = np.exp(logs[s] - top)
            total += out[t, s]
        for s in range(states):
            out[t, s] /= total
        for s in range(states):
            prior[s] = 0.0
            for before in range(states):
                prior[s] += out[t, before] * transitions[before, s]
    return out
