"""The public streams of four dialects, read by our own codecs and sessions: every book is the engine's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from dialect_world import DEPTHS, WIRES, Client, make_venue

from citadel_kit.exchange.dialects.stream import Out
from citadel_kit.exchange.venue import Depth
from citadel_kit.types import FeedState, Side

VENUES = tuple(WIRES)


def books_agree(client: Client) -> None:
    """The session's whole book, as far as the venue tells it, is what the engine shows."""
    engine = client.venue.engine("BTC/USDT")
    depth = DEPTHS[client.venue.name]
    book = client.feed.book
    for is_bid, side in ((True, Side.BUY), (False, Side.SELL)):
        everything = book.levels(side, 100_000).tolist()
        assert [tuple(level) for level in everything] == engine.shown(is_bid, depth)


@pytest.mark.parametrize("name", VENUES)
def test_our_session_stays_live_and_has_the_engines_book(name: str) -> None:
    client = Client(*make_venue(name, seconds=6))
    client.run(5, lambda: books_agree(client))
    counts = client.feed.counts | client.session.counts
    assert client.states == [FeedState.SYNCING, FeedState.LIVE]
    assert counts["applied"] > 40 and counts["trades"] > 20
    assert (counts["gaps"], counts["corrupt"], counts["malformed"], counts["unknown"]) == (0, 0, 0, 0) or (
        name == "kraken" and counts["unknown"] == 1 and not counts["corrupt"]  # its status
    )
