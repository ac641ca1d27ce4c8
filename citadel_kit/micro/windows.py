"""Windows over the last seconds of one venue's tops and trades, in one block of memory of fixed size.

Time is cut into slots on a fixed grid (slot = time // width); a window is a ring of slots, the current one
included, so it covers its length less at most one slot. Nothing is ever taken out of a sum: a slot is zeroed
when it comes round again, and a window is added up when it is read, so no rounding error creeps.

The kernels have one source, and run as plain Python until `warm_up()` has compiled them. All they need is in
one array of int64 words, part of them read as floats: each further array would cost a call 0.1 to 0.2 µs.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from citadel_kit.ladder import entry
from citadel_kit.types import Side

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Members of `state`.
NOW: Final = 0
"""Time up to which everything is booked."""
BID: Final = 1
"""Of the last two-sided top, and 0 where there is none now; so are the next three."""
BID_QTY: Final = 2
ASK: Final = 3
ASK_QTY: Final = 4
BUCKET: Final = 5
"""Of the current spread; meaningless without a top."""
SLOT_NS: Final = 6
SPREAD_SLOT_NS: Final = 7
GRID_NS: Final = 8
SLOTS: Final = 9
SPREAD_SLOTS: Final = 10
RETURNS: Final = 11
SPREAD_NS: Final = 12
"""All that the spread window holds."""
STATE_SIZE: Final = 13

# Columns of `sums`, a row a slot.
ORDER_FLOW: Final = 0
BOUGHT: Final = 1
SOLD: Final = 2
COVERED_NS: Final = 3
"""With a top."""

# Spread buckets: each reaches from its lower edge to 5 % more; the first and last hold all beyond.
LOWEST_BPS: Final = 1e-4
STEP: Final = math.log(1.05)
BUCKETS: Final = 380
"""Up to 1e4 bps, the whole mid."""

# Behind the `returns` ring: logarithms of the mid at the last grid point, and now. NaN: unknown.
GRID_MID: Final = -2
MID: Final = -1

SHARES: Final = (0.1, 0.5, 0.9)
"""Of the time: the spread's quantiles."""

# Members of what `read` writes: the spread's quantiles, then these.
FLOW: Final = 3
SIGNED: Final = 4
SHARE: Final = 5
VOLATILITY: Final = 6
BASE: Final = 7
"""What a unit of a sum is in base units."""
OUT_SIZE: Final = 21
"""Those behind `BASE` are for a kernel that shares the block."""

Parts = tuple[Ints, Floats, Ints, Floats, Floats]
"""state, sums, spreads, returns, and what `read` writes"""


@register_jitable
def parts(block: Ints) -> Parts:
    """Views into it."""
    slots, spread_slots = block[SLOTS], block[SPREAD_SLOTS]
    sums = STATE_SIZE + OUT_SIZE
    spreads = sums + 4 * slots
    returns = spreads + (spread_slots + 1) * BUCKETS
    return (
        block[:STATE_SIZE],
        block[sums:spreads].view(np.float64).reshape((slots, 4)),
        block[spreads:returns].reshape((spread_slots + 1, BUCKETS)),
        block[returns : returns + block[RETURNS] + 2].view(np.float64),
        block[STATE_SIZE:sums].view(np.float64),
    )


@register_jitable
def bucket(spread_bps: float) -> int:
    if not spread_bps > LOWEST_BPS:
        return 0
    return min(BUCKETS - 1, 1 + int(math.log(spread_bps / LOWEST_BPS) / STEP))


@register_jitable
def bucket_bps(index: int) -> float:
    """The geometric middle of a bucket; the edges of the open ones."""
    if index == 0:
        return LOWEST_BPS
    if index == BUCKETS - 1:
        return LOWEST_BPS * math.exp((BUCKETS - 2) * STEP)
    return LOWEST_BPS * math.exp((index - 0.5) * STEP)


@register_jitable
def _pass_sums(state: Ints, sums: Floats, now: int) -> None:
    then, width, size = state[NOW], state[SLOT_NS], sums.shape[0]
    slot, last = then // width, now // width
    if last - slot >= size:
        sums[:] = 0.0
        slot = last - size + 1
        then = slot * width
    while True:
        end = min(now, (slot + 1) * width)
        if state[BID]:
            sums[slot % size, COVERED_NS] += end - then
        if slot == last:
            break
        slot += 1
        then = end
        sums[slot % size, :] = 0.0


@register_jitable
def _pass_spreads(state: Ints, spreads: Ints, now: int) -> None:
    """The last row of `spreads` is the sum of the others."""
    then, width, size = state[NOW], state[SPREAD_SLOT_NS], spreads.shape[0] - 1
    slot, last = then // width, now // width
    if last - slot >= size:
        spreads[:] = 0
        state[SPREAD_NS] = 0
        slot = last - size + 1
        then = slot * width
    while True:
        end = min(now, (slot + 1) * width)
        if state[BID]:
            spreads[slot % size, state[BUCKET]] += end - then
            spreads[size, state[BUCKET]] += end - then
            state[SPREAD_NS] += end - then
        if slot == last:
            break
        slot += 1
        then = end
        spreads[size] -= spreads[slot % size]
        state[SPREAD_NS] -= spreads[slot % size].sum()
        spreads[slot % size, :] = 0


@register_jitable
def _pass_grid(state: Ints, returns: Floats, now: int) -> None:
    """Sample the mid that stood just before each grid point."""
    size = returns.shape[0] - 2
    first, last = state[NOW] // state[GRID_NS] + 1, now // state[GRID_NS]
    if last - first >= size:
        returns[GRID_MID] = returns[MID]
        first = last - size + 1
    for point in range(first, last + 1):
        returns[point % size] = returns[MID] - returns[GRID_MID]
        returns[GRID_MID] = returns[MID]


@register_jitable
def _elapse(state: Ints, sums: Floats, spreads: Ints, returns: Floats, now: int) -> int:
    """Book what stood until now; the current slot of `sums`. Time does not run backwards."""
    if now > state[NOW]:
        _pass_sums(state, sums, now)
        _pass_spreads(state, spreads, now)
        _pass_grid(state, returns, now)
        state[NOW] = now
    slot: int = state[NOW] // state[SLOT_NS] % sums.shape[0]
    return slot


@register_jitable
def on_top(block: Ints, now: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> None:
    """A new top; a one-sided or empty one (prices 0) is none."""
    state, sums, spreads, returns, _ = parts(block)
    slot = _elapse(state, sums, spreads, returns, now)
    if bid <= 0 or ask <= 0:
        state[BID] = 0
        returns[MID] = returns[GRID_MID] = math.nan
        return
    if state[BID]:
        flow = 0.0
        if bid >= state[BID]:
            flow += bid_qty
        if bid <= state[BID]:
            flow -= state[BID_QTY]
        if ask <= state[ASK]:
            flow -= ask_qty
        if ask >= state[ASK]:
            flow += state[ASK_QTY]
        sums[slot, ORDER_FLOW] += flow
    if bid != state[BID] or ask != state[ASK]:
        state[BUCKET] = bucket(20_000.0 * (ask - bid) / (ask + bid))
        returns[MID] = math.log(0.5 * (bid + ask))
    state[BID], state[BID_QTY], state[ASK], state[ASK_QTY] = bid, bid_qty, ask, ask_qty


def _on_trade(block: Ints, now: int, qty: int, side: int) -> None:
    state, sums, spreads, returns, _ = parts(block)
    slot = _elapse(state, sums, spreads, returns, now)
    sums[slot, BOUGHT if side == Side.BUY else SOLD] += qty


@register_jitable
def _volatility(state: Ints, returns: Floats) -> float:
    square, known, size = 0.0, 0, returns.shape[0] - 2
    for i in range(size):
        if not math.isnan(returns[i]):
            square += returns[i] * returns[i]
            known += 1
    return 1e4 * math.sqrt(square / (known * (state[GRID_NS] / 1e9))) if 2 * known >= size else math.nan


@register_jitable
def _quantiles(held: Ints, total: int, out: Floats) -> None:
    below, index = 0, -1
    for i in range(len(SHARES)):
        out[i] = math.nan
        if total > 0:
            least = math.ceil(SHARES[i] * total)
            while index < 0 or below < least:
                index += 1
                below += held[index]
            out[i] = bucket_bps(index)


@register_jitable
def read(block: Ints, now: int) -> bool:
    """Write the windows as of now; is none of it NaN?"""
    state, sums, spreads, returns, out = parts(block)
    _elapse(state, sums, spreads, returns, now)
    flow = bought = sold = covered = 0.0
    for row in range(sums.shape[0]):
        flow += sums[row, ORDER_FLOW]
        bought += sums[row, BOUGHT]
        sold += sums[row, SOLD]
        covered += sums[row, COVERED_NS]
    _quantiles(spreads[-1], state[SPREAD_NS], out)
    out[VOLATILITY] = _volatility(state, returns)
    out[FLOW] = out[SIGNED] = out[SHARE] = math.nan
    if 2.0 * covered >= state[SLOTS] * state[SLOT_NS]:
        out[FLOW], out[SIGNED] = flow * out[BASE], (bought - sold) * out[BASE]
        if bought + sold > 0.0:
            out[SHARE] = (bought - sold) / (bought + sold)
    return not math.isnan(out[0] + out[FLOW] + out[SIGNED] + out[SHARE] + out[VOLATILITY])


_SOURCES: Final[dict[str, Any]] = {"on_top": on_top, "on_trade": _on_trade, "read": read}
# Without nogil: these take microseconds, and who lets the lock go may wait 5 ms to get it back.
_COMPILED: Final[dict[str, Any]] = {name: numba.njit(cache=True)(source) for name, source in _SOURCES.items()}
kernels: Final[dict[str, Any]] = dict(_SOURCES)
"""What to call now: `on_top`, `on_trade`, `read`."""


class Shape(NamedTuple):
    """Of the windows: how many slots, and how wide."""

    slots: int
    slot_ns: int
    spread_slots: int
    spread_slot_ns: int
    returns: int
    grid_ns: int


def block_of(shape: Shape) -> Ints:
    """All a venue ever needs."""
    size = 4 * shape.slots + (shape.spread_slots + 1) * BUCKETS + shape.returns + 2
    block = np.zeros(STATE_SIZE + OUT_SIZE + size, np.int64)
    block[SLOT_NS], block[SPREAD_SLOT_NS], block[GRID_NS] = shape.slot_ns, shape.spread_slot_ns, shape.grid_ns
    block[SLOTS], block[SPREAD_SLOTS], block[RETURNS] = shape.slots, shape.spread_slots, shape.returns
    parts(block)[3][:] = np.nan
    return block


def warm_up() -> None:
    """Compile the kernels, or load them from the cache, and use them from now on. May take some seconds."""
    block = block_of(Shape(2, 1, 2, 1, 2, 1))
    kernels["on_top"] = entry(_COMPILED["on_top"], block, 1, 1, 1, 2, 1)
    kernels["on_trade"] = entry(_COMPILED["on_trade"], block, 2, 1, 1)
    kernels["read"] = entry(_COMPILED["read"], block, 3)
