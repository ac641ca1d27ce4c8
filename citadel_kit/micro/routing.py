"""Where to trade and in which pieces: the best venue for a quantity, and TWAP slices.

Everything is exact: prices and quantities are integers or fractions, and so is what they cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from numba.extending import register_jitable

from citadel_kit.errors import ConfigError
from citadel_kit.settings import Fees
from citadel_kit.types import FeedState, Instrument, Levels, Side

# --- which venue --------------------------------------------------------------------------------------------


class Offer(NamedTuple):
    """What one venue shows. `bids` and `asks`: its best levels, best first, as far as they are known; the
    touch alone will do where only that is to be looked at."""

    instrument: Instrument
    state: FeedState
    bids: Levels
    asks: Levels
    fees: Fees


class Route(NamedTuple):
    venue: str
    qty: int
    """In the venue instrument's quantity units, whole lots, never more than was asked for; 0: nothing."""
    price: Fraction
    """Of one base unit after fees, in the quote currency; 0 where there is none."""
    reason: str
    """Why it can't be had there; empty where it can."""


def best_venue(offers: Sequence[Offer], side: Side, base_qty: Fraction, *, taking: bool) -> list[Route]:
    """Every venue, the best first, those where it can't be had last with the reason; ties in given order.

    `base_qty` in base units. `taking`: the whole quantity at what the opposite side's levels ask for it, plus
    the taker's fee. Otherwise it joins its own side's touch, at the maker's fee: what that saves is no
    promise of being filled. Only offers in the same quote currency can be compared: raises ConfigError for
    others, and for a quantity that is not positive.
    """
    if not base_qty > 0:
        raise ConfigError("base_qty", f"{base_qty} is not positive")
    quotes = {offer.instrument.symbol.partition("/")[2].partition(":")[0] for offer in offers}
    if len(quotes) > 1:
        raise ConfigError("offers", f"prices in {', '.join(sorted(quotes))} can't be compared")
    routes = [_route(offer, side, base_qty, taking=taking) for offer in offers]
    return sorted(routes, key=lambda route: (route.reason != "", int(side) * route.price))


def _route(offer: Offer, side: Side, base_qty: Fraction, *, taking: bool) -> Route:
    instrument = offer.instrument
    size = Fraction(str(instrument.contract_size)) / 10**instrument.qty_decimals
    qty = int(base_qty / size)
    qty -= qty % instrument.lot
    own, other = (offer.bids, offer.asks) if side == Side.BUY else (offer.asks, offer.bids)
    levels = other if taking else own
    if instrument.inverse:
        return _none(offer, "inverse contracts are shown, not traded")
    if offer.state != FeedState.LIVE:
        return _none(offer, f"its book is {offer.state.name}, not LIVE")
    if not (len(own) and len(other)) or offer.bids[0, 0] >= offer.asks[0, 0]:
        return _none(offer, "its book is not two-sided")
    cost = _walk(levels, qty) if taking else int(levels[0, 0]) * qty
    if qty == 0 or int(levels[0, 0]) * qty < instrument.min_notional:
        return _none(offer, "less than its smallest order")
    if cost == 0:
        return _none(offer, f"the {len(levels)} levels known hold less")
    bps = offer.fees.taker_bps if taking else offer.fees.maker_bps
    price = Fraction(cost, qty * 10**instrument.price_decimals)
    return Route(instrument.venue, qty, price * (1 + int(side) * Fraction(str(bps)) / 10_000), "")


def _none(offer: Offer, reason: str) -> Route:
    return Route(offer.instrument.venue, 0, Fraction(0), reason)


def _walk(levels: Levels, qty: int) -> int:
    """What taking `qty` costs, in units of price × quantity; 0 where the levels don't hold it."""
    cost, rest = 0, qty
    for price, there in levels:
        part = min(rest, int(there))
        cost, rest = cost + part * int(price), rest - part
        if rest == 0:
            return cost
    return 0


# --- slices -------------------------------------------------------------------------------------------------


class Slices(NamedTuple):
    """A TWAP: from the time of each slice on, all up to it should be done. In order of time."""

    times_ns: tuple[int, ...]
    qtys: tuple[int, ...]
    """In whole lots; the last one also holds what is no whole lot."""


def slices(
    instrument: Instrument,
    *,
    qty: int,
    price: int,
    start_ns: int,
    duration_ns: int,
    count: int,
    draws: Sequence[float] = (),
    jitter: float = 0.0,
) -> Slices:
    """At most `count` slices of about the same size, one in each equal part of the time; fewer where one
    could fall below the venue's smallest order at `price`.

    `draws`: uniform random numbers in [0, 1), two a slice, asked for where there is `jitter`: with them a
    slice's weight varies by up to that share either way, and its time by up to that share of its part, later.
    Without, each is at the start of its part. Raises ConfigError.
    """
    lows = {"qty": (qty, 1), "price": (price, 1), "duration_ns": (duration_ns, 0), "count": (count, 1)}
    for name, (value, low) in lows.items():
        if value < low:
            raise ConfigError(name, f"{value!r} is less than {low}")
    if not 0 <= jitter < 1:
        raise ConfigError("jitter", f"{jitter!r} is no share from 0 to below 1")
    share = Fraction(jitter)
    lightest = (1 - share) / (1 + share)  # of one slice, compared with all others at their heaviest
    count = max(min(count, int(qty * lightest / (smallest_order(instrument, price) + instrument.lot))), 1)
    if share and len(draws) < 2 * count:
        raise ConfigError("draws", f"{len(draws)} are too few for {count} slices: two each")
    pairs = [(Fraction(draws[2 * i]), Fraction(draws[2 * i + 1])) if share else (0, 0) for i in range(count)]
    weights = [1 + share * (2 * weight - 1) if share else Fraction(1) for weight, _ in pairs]
    step = Fraction(duration_ns, count)
    times = tuple(start_ns + int(step * (i + share * late)) for i, (_, late) in enumerate(pairs))
    return Slices(times, _parts(qty, weights, instrument.lot))


def smallest_order(instrument: Instrument, price: int) -> int:
    """In whole lots, at a price in price units."""
    qty = max(-(-instrument.min_notional // price), 1)
    return qty + -qty % instrument.lot


def _parts(qty: int, weights: Sequence[Fraction], lot: int) -> tuple[int, ...]:
    """Differences of the cumulative shares, each rounded down to lots: none is off by a whole lot."""
    total, reached, done = sum(weights), Fraction(0), 0
    parts: list[int] = []
    for weight in weights[:-1]:
        reached += weight
        upto = int(qty * reached / total)
        parts.append(upto - upto % lot - done)
        done += parts[-1]
    return (*parts, qty - done)


@register_jitable
def slice_at(times_ns: tuple[int, ...], now_ns: int) -> int:
    """Number of the slice whose time came last, from 0; -1: none yet."""
    number = -1
    for at_ns in times_ns:
        if at_ns <= now_ns:
            number += 1
    return number


@register_jitable
def due(qtys: tuple[int, ...], number: int, done: int, lot: int, smallest: int, catch_up: float) -> int:
    """What slice `number` should send, asked for once, when its time has come. `done`: of the parent, what is
    filled and what still works.

    What earlier slices left comes with it, but no more of that than `catch_up` times its own size; with the
    last slice all of it. In whole lots; less than the `smallest` order waits for the next slice, and after
    the last it is dust.
    """
    planned = 0
    for i in range(number + 1):
        planned += qtys[i]
    behind = planned - qtys[number] - done
    qty = planned - done
    if number < len(qtys) - 1:
        qty = min(behind, int(catch_up * qtys[number])) + qtys[number]
    qty -= qty % lot
    return qty if qty >= smallest and qty > 0 else 0
