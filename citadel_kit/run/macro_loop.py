"""One macro cycle: candles → regimes, features, labels → model → signal, and its out-of-sample record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from citadel_kit.errors import CandleError, ConfigError
from citadel_kit.macro.backtest import Backtest, CostConfig, backtest, hold
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.cache import Cache
from citadel_kit.macro.candles import Floats, Gap, closed_before, infer_timeframe, open_ns, timeframe_ns
from citadel_kit.macro.events import uniqueness
from citadel_kit.macro.features import FeatureConfig, FeatureStream, feature_matrix
from citadel_kit.macro.labels import LabelConfig, Labels, barrier_width, triple_barrier
from citadel_kit.macro.performance import summarize, verdict
from citadel_kit.macro.quality import check
from citadel_kit.macro.regimes import RegimeConfig, regime_frame
from citadel_kit.macro.search import SPACE, Space, search
from citadel_kit.macro.signals import SignalConfig, decide, edge_bps, signal_at, targets
from citadel_kit.macro.significance import Trials, estimate
from citadel_kit.macro.sizing import Caps, SizingConfig, target_fraction
from citadel_kit.macro.splits import PurgedWalkForward
from citadel_kit.macro.trades import Plans, trade
from citadel_kit.macro.trainer import FoldScore, Model, Progress, Training, skill, train
from citadel_kit.types import MacroSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroConfig:
    """Everything that decides.

    `costs` serve the signal and the backtest alike. With a venue's own fee:
    `MacroConfig(costs=CostConfig(fee_bps=settings.fees(venue).taker_bps))`. With what orders were seen to
    cost: `MacroConfig(costs=costs_from_report(report.frame).config())`, of `run.costs`.
    """

    train_bars: int = 60_000
    """The newest bars are used, at most this many."""
    folds: int = 4
    embargo_bars: int = 48
    """A fold learns from no label that ended less than this many whole bars before it."""
    needs_skill: bool = True
    """No side is taken on a model that scored no better out of sample than its base rate. The backtest
    shows the rule without this veto: a veto judged on the whole record would flatter it."""
    long_only: bool = True
    """The backtest takes a SELL as flat, as a spot account must."""
    exits: str = "time"
    """How the backtest leaves a trade: after the labels' horizon, which a newer signal renews; or `barriers`:
    at those of the labels, inside the bar and the hardest way (`macro.trades`), or by the horizon."""
    weigh_by_uniqueness: bool = True
    """A label counts for the share of its stretch that no other label saw. The labels of neighbouring bars
    overlap: without it, a move counts as often as labels saw it."""
    search_trials: int = 0
    """With more than 0, so many settings of the trainer are tried on the folds before `training`, bettered,
    is used; each counts as a trial."""
    search_space: Space = field(default_factory=lambda: SPACE)
    tried_before: int = 3
    """Variants looked at on such data before these settings were kept. Three is what the defaults had."""
    regime: RegimeConfig = field(default_factory=RegimeConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    labels: LabelConfig = field(default_factory=LabelConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    sizing: SizingConfig = field(default_factory=SizingConfig)
    caps: Caps = field(default_factory=Caps)
    """Of one symbol. Give the same to `plan_entry`, which knows what else is held."""
    signal: SignalConfig = field(default_factory=SignalConfig)
    costs: CostConfig = field(default_factory=CostConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroResult:
    """Frames and arrays have one row a used bar."""

    signal: MacroSignal
    candles: pd.DataFrame
    """The bars used, all closed at the cycle's time."""
    gaps: tuple[Gap, ...]
    regimes: pd.DataFrame
    model: Model
    folds: tuple[FoldScore, ...]
    skill: float
    """Share of the base rate's log loss that the model saved out of sample; not above 0 is no skill."""
    probability: Floats
    """Out of sample, as `MacroSignal.probability`; NaN before the first test fold and where a feature is
    missing. The signal's own is of the newer `model`."""
    record: Backtest
    """Of the out-of-sample part only: its rows are the last `len(record.net)` bars."""
    summary: dict[str, float]
    """As of `summarize`, judged as the best of all `trials`."""
    verdict: str
    trials: Trials
    """All variants looked at so far, this one included: hand it to the next cycle."""
    config: MacroConfig
    """As used: with a search, `training` is what it found."""
    features: pd.DataFrame
    labels: Labels

    def record_of(self, probability: Floats, touch_share: Floats, first: int = 0) -> Backtest:
        """The same rule and costs on other probabilities, one a used bar, from bar `first` on."""
        timeframe = infer_timeframe(self.candles)
        fraction = _fraction(self.regimes["volatility"].to_numpy(dtype=np.float64), self.config)
        past = _Measured(self.regimes, self.features, self.labels, fraction)
        return _record(self.candles, timeframe, past, self.config, probability, touch_share, first)


def run_macro(
    candles: pd.DataFrame,
    timeframe: str,
    symbol: str,
    now_ns: int,
    config: MacroConfig | None = None,
    progress: Progress | None = None,
    trials: Trials | None = None,
    cache: Cache | None = None,
) -> MacroResult:
    """Uses only candles closed at or before `now_ns`. Raises CandleError where they are faulty, ModelError or
    ConfigError where they are too few to train on.

    `trials`: of the earlier cycles on this or another market, which this one is added to; the same settings
    on the same market count once. Without it a cycle counts only `tried_before`, itself and its own search:
    what earlier calls, other processes and bare calls of `train` tried, nobody counts but you.
    `cache`: of earlier cycles, which spares regimes and features of the same candles.
    """
    config = _checked(config or MacroConfig())
    trials = Trials(before=config.tried_before) if trials is None else trials
    frame = _usable(candles, timeframe, now_ns, config.train_bars)
    gaps = check(frame, timeframe, now_ns)
    past = _measure(frame, timeframe, config, progress, cache or Cache())
    splits = PurgedWalkForward(config.folds, config.embargo_bars)
    weights = uniqueness(past.labels.end) if config.weigh_by_uniqueness else None
    traded = partial(_record, frame, timeframe, past, config, first=len(frame) // (config.folds + 1))
    name = f"{symbol} {timeframe} {config}"
    if config.search_trials:
        found = search(
            past.features, past.labels, splits, n_trials=config.search_trials, base=config.training,
            space=config.search_space, trials=trials, name=name, bar_ns=timeframe_ns(timeframe),
            weights=weights, progress=progress,
            record=lambda probability, touch_share: traded(probability, touch_share).net,
        )  # fmt: skip
        config = replace(config, training=found.config)
    trained = train(past.features, past.labels, splits, config.training, progress, weights)
    record = traded(trained.probability, trained.touch_share)
    if not config.search_trials:  # else the search has counted it
        trials.add(estimate(record.net).sharpe, name, timeframe_ns(timeframe))
    summary = summarize(record, timeframe_ns(timeframe), trials)
    return MacroResult(
        signal=_signal(symbol, frame, timeframe, past, trained, config),
        candles=frame,
        gaps=gaps,
        regimes=past.regimes,
        model=trained.model,
        folds=trained.folds,
        skill=skill(trained.folds),
        probability=trained.probability,
        record=record,
        summary=summary,
        verdict=verdict(summary),
        trials=trials,
        config=config,
        features=past.features,
        labels=past.labels,
    )


def infer(
    candles: pd.DataFrame,
    timeframe: str,
    symbol: str,
    now_ns: int,
    model: Model,
    config: MacroConfig | None = None,
    stream: FeatureStream | None = None,
    veto: str = "",
) -> MacroSignal:
    """The signal of a model trained before, on candles closed at or before `now_ns`: nothing is trained.

    Give as many bars as the longest window and the regimes' hysteresis need; `config` as the model was
    trained with. `stream`: this market's own, whose next call costs the new candles alone. `veto`: why no
    side may be taken, such as a model without skill. Raises CandleError, or ModelError for other features.
    """
    config = config or MacroConfig()
    frame = _usable(candles, timeframe, now_ns, config.train_bars)
    check(frame, timeframe, now_ns)
    regimes = regime_frame(frame, timeframe, config.regime)
    stream = stream or FeatureStream(timeframe, config.features)
    probability = model.predict(stream.update(frame).iloc[-1:])
    volatility = regimes["volatility"].to_numpy(dtype=np.float64)[-1:]
    width = barrier_width(frame, timeframe, config.labels)[-1:]
    return signal_at(
        symbol,
        int(open_ns(frame)[-1]) + timeframe_ns(timeframe),
        timeframe_ns(timeframe),
        regimes.iloc[-1:],
        probability,
        edge_bps(probability, np.array([model.touch_share]), width),
        _fraction(volatility, config),
        _round_trip_bps(timeframe, config),
        config.signal,
        veto,
    )


def _checked(config: MacroConfig) -> MacroConfig:
    if config.exits not in {"time", "barriers"}:
        raise ConfigError("macro.exits", f"{config.exits!r} is neither 'time' nor 'barriers'")
    return config


class _Measured(NamedTuple):
    """One row a bar. All but `labels.side` and `labels.end` know only the past."""

    regimes: pd.DataFrame
    features: pd.DataFrame
    labels: Labels
    fraction: Floats


def _usable(candles: pd.DataFrame, timeframe: str, now_ns: int, bars: int) -> pd.DataFrame:
    frame = closed_before(candles, timeframe, now_ns).tail(bars)
    if frame.empty:
        raise CandleError("empty", "no candle closed before the cycle's time; give older candles")
    return frame


def _measure(
    frame: pd.DataFrame, timeframe: str, config: MacroConfig, progress: Progress | None, cache: Cache
) -> _Measured:
    say = progress or (lambda what, done, total: None)
    say("regimes", 0, 1)
    regimes = cache.call(regime_frame, frame, timeframe, config.regime)
    say("features", 0, 1)
    features = cache.call(feature_matrix, frame, timeframe, config.features)
    labels = triple_barrier(frame, timeframe, config.labels)
    fraction = _fraction(regimes["volatility"].to_numpy(dtype=np.float64), config)
    return _Measured(regimes, features, labels, fraction)


def _fraction(volatility: Floats, config: MacroConfig) -> Floats:
    return np.minimum(target_fraction(volatility, config.sizing), min(config.caps))


def _round_trip_bps(timeframe: str, config: MacroConfig) -> float:
    return config.costs.round_trip_bps(config.labels.horizon * timeframe_ns(timeframe))


def _record(
    frame: pd.DataFrame,
    timeframe: str,
    past: _Measured,
    config: MacroConfig,
    probability: Floats,
    touch_share: Floats,
    first: int,
) -> Backtest:
    """The rule on out-of-sample probabilities, from row `first` on."""
    edge = edge_bps(probability, touch_share, past.labels.width)
    round_trip = _round_trip_bps(timeframe, config)
    decisions = decide(past.regimes, probability, edge, past.fraction, round_trip, config.signal)
    wanted = targets(decisions, past.fraction)
    if config.exits == "time":
        held = hold(wanted, config.labels.horizon)
        return backtest(frame.iloc[first:], held[first:], config.costs, config.long_only)
    share = np.maximum(wanted, 0.0)[first:] if config.long_only else wanted[first:]
    width = np.where(share != 0.0, past.labels.width[first:], np.inf)
    plans = Plans(share, width, width, np.full(len(share), config.labels.horizon))
    return trade(frame.iloc[first:], plans, config.costs)[0]


def _signal(
    symbol: str,
    frame: pd.DataFrame,
    timeframe: str,
    past: _Measured,
    trained: Training,
    config: MacroConfig,
) -> MacroSignal:
    """The rule on the last bar, by the final model, unless that has no skill."""
    bar_ns, gained, veto = timeframe_ns(timeframe), skill(trained.folds), ""
    if config.needs_skill and not gained > 0:
        veto = f"out of sample the model is no better than its base rate (skill {gained:+.1%})"
    last = slice(-1, None)
    probability = trained.model.predict(past.features.iloc[last])
    touch_share = np.array([trained.model.touch_share])
    return signal_at(
        symbol,
        int(open_ns(frame)[-1]) + bar_ns,
        bar_ns,
        past.regimes.iloc[last],
        probability,
        edge_bps(probability, touch_share, past.labels.width[last]),
        past.fraction[last],
        _round_trip_bps(timeframe, config),
        config.signal,
        veto,
    )
