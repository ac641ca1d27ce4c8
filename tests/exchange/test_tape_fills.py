"""One order over a recorded market: the pessimistic bound fills it no sooner than the queue."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_market import SECOND, START_NS, SYMBOL, limit

from citadel_kit.exchange.build import ExchangeConfig, build_world
from citadel_kit.types import Side


def seconds_to_fill(tape: Path, fill: str, at_s: int) -> int:
    """Of a bid at the best price, placed `at_s` seconds into the tape; 20: not sooner."""
    world = build_world(ExchangeConfig(market=f"tape:{tape}", fill=fill), START_NS)
    venue = world.venues["binance"]
    world.advance(START_NS + at_s * SECOND)
    order = venue.place(limit(Side.BUY, venue.engine(SYMBOL).top()[0], 100_000))
    assert order.filled == 0
    for second in range(1, 20):
        world.advance(START_NS + (at_s + second) * SECOND)
        if order.filled == order.qty:
            return second
    return 20


@pytest.mark.slow
def test_the_pessimistic_bound_fills_no_sooner(shared: Path) -> None:
    tape = shared / "tapes" / "binance_spot_btcusdt.tape.gz"
    waits = [[seconds_to_fill(tape, fill, at_s) for fill in ("queue", "pessimistic")] for at_s in (3, 15)]
    assert all(queue <= pessimistic for queue, pessimistic in waits)
    assert any(queue < pessimistic for queue, pessimistic in waits)
