"""A venue's candles by REST: the newest ones at once, or a whole history into a store, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from citadel_kit import clock, settings
from citadel_kit.errors import ConfigError
from citadel_kit.io.reach import REACH_S
from citadel_kit.io.rest import apart, exchange_at, market_at
from citadel_kit.io.store import CandleStore
from citadel_kit.macro.candles import COLUMNS, Gap, find_gaps, open_ns, timeframe_ns
from citadel_kit.venues import Endpoints, endpoints

Progress = Callable[[int, int], None]
"""Called with the bars there are and the bars wanted, on another thread than the caller's."""

_PAGE: Final = 1000


class Download(NamedTuple):
    """What a download brought."""

    new: int
    """Bars that were not stored before."""
    bars: int
    """Stored bars of the span asked for."""
    gaps: tuple[Gap, ...]
    """Between them: the venue has no such bars."""


def fetch_candles(
    venue: str,
    symbol: str,
    timeframe: str,
    *,
    bars: int,
    progress: Progress | None = None,
    at: Endpoints | None = None,
    timeout_s: float = REACH_S,
) -> pd.DataFrame:
    """The last `bars` bars that are closed by the venue's clock and by ours, as a candle frame.

    Fewer where the venue has fewer. Not yet held to `quality.check`: a venue may have holes. `timeout_s` is
    for each page of 1,000 bars. Raises VenueUnreachable, or ConfigError for a symbol, timeframe or number of
    bars that can't be.
    """
    if bars < 1:
        raise ConfigError("bars", f"{bars} is not 1 or more")

    async def fetch() -> pd.DataFrame:
        pages, have = [_frame([])], 0
        async with exchange_at(venue, at or endpoints(venue), timeout_s) as exchange:
            now = await _closed_until(exchange, venue, symbol, timeframe)
            since = now - bars * timeframe_ns(timeframe)
            async for page, _ in _pages(exchange, venue, symbol, timeframe, since, now):
                pages.append(page)
                have += len(page)
                if progress is not None:
                    progress(min(have, bars), bars)
        return pd.concat(pages)

    return apart(fetch())


def download_candles(
    store: CandleStore,
    venue: str,
    symbol: str,
    timeframe: str,
    since_ns: int,
    until_ns: int | None = None,
    *,
    progress: Progress | None = None,
    at: Endpoints | None = None,
    timeout_s: float = REACH_S,
) -> Download:
    """Every closed bar that opens in [since_ns, until_ns) and is not stored yet, into the store.

    Each page is stored as it comes, so that a download that broke off goes on where it was when it is called
    again. `until_ns`: by default now. ccxt keeps to the venue's rate limit. Raises as `fetch_candles`, and
    CandleError where the venue's bars are faulty or differ from stored ones.
    """
    step = timeframe_ns(timeframe)

    async def fetch() -> tuple[int, int]:
        new = done = 0
        async with exchange_at(venue, at or endpoints(venue), timeout_s) as exchange:
            now = await _closed_until(exchange, venue, symbol, timeframe)
            end = now if until_ns is None else min(now, until_ns)
            spans = _missing(store, venue, symbol, timeframe, since_ns, end)
            wanted = sum((until - since) // step for since, until in spans)
            for since, until in spans:
                async for page, known in _pages(exchange, venue, symbol, timeframe, since, until):
                    new += store.append(venue, symbol, timeframe, page, now) if len(page) else 0
                    if progress is not None:
                        progress(done + (known - since) // step, wanted)
                done += (until - since) // step
        return new, end

    new, end = apart(fetch())
    frame = store.read(venue, symbol, timeframe, since_ns, end)
    return Download(new, len(frame), find_gaps(frame, timeframe) if len(frame) else ())


async def _closed_until(exchange: Any, venue: str, symbol: str, timeframe: str) -> int:
    """Bars that open before this are closed, by the venue's clock and by ours. Raises ConfigError for a
    symbol or timeframe that the venue doesn't have."""
    step = timeframe_ns(timeframe)
    if timeframe not in exchange.timeframes:
        known = ", ".join(exchange.timeframes)
        raise ConfigError("timeframe", f"{venue} has no {timeframe} candles", f"It has {known}")
    await market_at(exchange, venue, symbol)
    now = min(clock.now_ns(), int(await exchange.fetch_time()) * clock.MILLISECOND)
    return now // step * step


async def _pages(
    exchange: Any, venue: str, symbol: str, timeframe: str, since_ns: int, until_ns: int
) -> AsyncIterator[tuple[pd.DataFrame, int]]:
    """Bars that open in [since_ns, until_ns), and the time up to which all there are have come.

    A page without a bar may be a long outage, or before the market's first day: the next one is asked for.
    """
    step_ms = timeframe_ns(timeframe) // clock.MILLISECOND
    name = settings.ccxt_symbol(venue, symbol)
    next_ms, end_ms = -(-since_ns // clock.MILLISECOND), until_ns // clock.MILLISECOND
    while next_ms < end_ms:
        page = await exchange.fetch_ohlcv(name, timeframe, next_ms, _PAGE)
        later = [row[0] for row in page if row[0] >= next_ms]
        rows = [row for row in page if next_ms <= row[0] < end_ms]
        next_ms = max(later) + step_ms if later else next_ms + _PAGE * step_ms
        yield _frame(rows), min(next_ms, end_ms) * clock.MILLISECOND


def _missing(
    store: CandleStore, venue: str, symbol: str, timeframe: str, since_ns: int, until_ns: int
) -> list[tuple[int, int]]:
    """Spans without stored bars, on the grid."""
    step = timeframe_ns(timeframe)
    first, last = -(-since_ns // step) * step, -(-until_ns // step) * step
    opens = open_ns(store.read(venue, symbol, timeframe, first, last))
    edges = np.concatenate(([first - step], opens, [last]))
    before = np.flatnonzero(np.diff(edges) > step)
    return [(int(edges[k]) + step, int(edges[k + 1])) for k in before]


def _frame(rows: list[list[Any]]) -> pd.DataFrame:
    stamps = np.array([row[0] for row in rows], "M8[ms]").astype("M8[ns]")
    index = pd.DatetimeIndex(stamps, tz="UTC", name="ts")
    columns = np.array([row[1:6] for row in rows], np.float64).reshape(-1, len(COLUMNS))
    return pd.DataFrame(columns, index=index, columns=list(COLUMNS))
