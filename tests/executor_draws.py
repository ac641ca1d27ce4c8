"""What is drawn for a scenario of the executor: faults, latencies, instruments, all options of a chase."""

from __future__ import annotations

import random
from typing import Any

from citadel_kit import clock, settings
from citadel_kit.exchange.latency import Latency
from citadel_kit.io.broker.capabilities import Capabilities
from citadel_kit.micro import chase, position
from citadel_kit.micro.position import ExitConfig
from citadel_kit.types import Instrument, Side

SYMBOL = "COIN/USDT"
VENUES = ("binance", "bybit", "okx", "kraken", "coinbase")
LATENCIES = [
    Latency(), Latency("uniform", 1.0, 8.0), Latency("uniform", 1.0, 60.0), Latency("lognormal", 40.0, 1.3)
]  # fmt: skip
FAULTS: list[dict[str, Any]] = [
    {"latency_ms": 100.0},
    {"latency_ms": 450.0},
    {"latency_ms": 700.0},
    {"disconnect": True},
    {"freeze_book": True},
    {"lose": 0.3},
    {"duplicate": 0.3},
    {"reorder": 0.3},
    {"http_error": 0.5, "http_moment": "before"},
    {"http_error": 0.5, "http_moment": "after"},
    {"http_error": 0.5, "http_moment": "after", "http_status": 502},
    {"timeout": 0.4, "timeout_moment": "before"},
    {"timeout": 0.4, "timeout_moment": "after"},
    {"late_report": 0.5, "late_report_ms": 300.0},
    {"late_report": 0.5, "late_report_ms": 1_500.0},
    {"duplicate_report": 0.5},
    {"reject": "post_only", "reject_probability": 0.6},
    {"reject": "balance", "reject_probability": 0.3},
    {"reject": "filter", "reject_probability": 0.3},
    {"reject": "rate_limit", "reject_probability": 0.6},
    {"maintenance": True},
    {"clock_skew_ms": 1_500.0},
    {"clock_skew_ms": -900.0},
    {"clock_skew_ms": 200.0},
]
"""Every switch of `exchange.faults`."""


def random_config(rng: random.Random, of: Instrument, amend: chase.Amend, now_ns: int) -> chase.ChaseConfig:
    ms = clock.MILLISECOND
    side = rng.choice([Side.BUY, Side.SELL])
    return chase.configure(
        of,
        side=side,
        qty=rng.choice([rng.randint(1, 30), rng.randint(30, 300)]) * of.lot,
        limit_price=rng.choice([0, 0, rng.randint(1_990, 2_010) * 5]),
        max_chase_bps=rng.choice([5, 20, 100, 10_000]),
        offset=rng.choice([0, 0, 0, 1, 3, -2]),
        ignore_qty=rng.choice([0, 0, 20 * of.lot]),
        min_move=rng.choice([1, 1, 3]),
        min_rest_ns=rng.choice([0, 0, 200 * ms]),
        patience_ns=rng.choice([0, 500 * ms]),
        confirm_tops=rng.choice([1, 1, 1, 3]),
        confirm_ns=rng.choice([0, 0, 150 * ms]),
        max_reprices=rng.choice([-1, -1, 0, 3]),
        trail_back=rng.random() < 0.7,
        when_blind=rng.choice(list(chase.WhenBlind)),
        amend=amend,
        pause_ns=rng.choice([20 * ms, 100 * ms]),
        max_rejects=rng.choice([1, 3, 50]),
        answer_ns=rng.choice([100 * ms, 400 * ms, 1_500 * ms]),
        check_ns=rng.choice([0, 0, 800 * ms]),
        deadline_ns=rng.choice([0, now_ns + rng.randint(100, 5_000) * ms]),
        on_deadline=rng.choice(list(chase.OnDeadline)),
        take_slippage_bps=rng.choice([0, 5, 50]),
        slices=rng.choice([1, 1, 4]),
        slice_ns=rng.choice([0, 300 * ms]),
    )


def random_instrument(rng: random.Random, venue: str) -> Instrument:
    return Instrument(
        venue=venue, symbol=SYMBOL, venue_symbol=settings.venue_symbol(venue, SYMBOL), price_decimals=2,
        qty_decimals=6, tick=rng.choice([1, 1, 5]), lot=rng.choice([1_000, 1_000, 10_000]),
        min_notional=rng.choice([0, 0, 100_000_000]),
    )  # fmt: skip


def random_plan(
    rng: random.Random, of: Instrument, side: Side, mid: int, cap: Capabilities, now_ns: int
) -> ExitConfig:
    """With a stop so near that it often triggers, and pauses ten times shorter than in life."""
    ms, tick, sign = clock.MILLISECOND, of.tick, int(side)
    stop = (mid - sign * rng.choice([5, 20, 60]) * tick) // tick * tick
    target = (mid + sign * rng.choice([5, 30]) * tick) // tick * tick
    rests = cap.stops and rng.random() < 0.9
    limited = rests and (not cap.stop_at_market or rng.random() < 0.3)
    return position.configure(
        of,
        side=side,
        stop_price=stop,
        stop_limit=stop - sign * 100 * tick if limited else 0,
        target_price=rng.choice([0, target]),
        deadline_ns=rng.choice([0, now_ns + rng.randint(300, 4_000) * ms]),
        on_flip=rng.random() < 0.5,
        rests=rests,
        restop_ns=rng.choice([0, 150 * ms]),
        grace_ns=rng.choice([0, 300 * ms]),
        entry_wait_ns=rng.choice([0, 200 * ms]),
        pause_ns=100 * ms,
        answer_ns=rng.choice([100 * ms, 500 * ms]),
        check_ns=rng.choice([0, 1_000 * ms]),
    )
