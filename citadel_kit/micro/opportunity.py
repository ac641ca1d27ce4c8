"""Cross-exchange opportunities: where buying on one exchange and selling on another pays after taker fees.

Two quotes in one currency are compared in it; others in the common currency, through their conversion quotes
and with their taker fees. What this sight does not know: latency, transfers, the depth of the conversion, and
whether two instruments are the same thing (a perpetual beside a spot market shows its basis here).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from citadel_kit.micro.quoted import FEE_SCALE, Quoted, Scale
from citadel_kit.types import Opportunity


class Depth(NamedTuple):
    """Of two books against each other, in the units of comparison."""

    qty: int
    profit: int
    """In units of price × quantity / FEE_SCALE."""


def depth(purchases: Iterable[tuple[int, int]], sales: Iterable[tuple[int, int]]) -> Depth:
    """Match both sides, best first, as long as a sale brings more than its purchase costs."""
    buys, sells = iter(purchases), iter(sales)
    cost, offered = next(buys, (0, 0))
    value, wanted = next(sells, (0, 0))
    qty = profit = 0
    while offered and wanted and value > cost:
        part = min(offered, wanted)
        qty += part
        profit += part * (value - cost)
        offered -= part
        wanted -= part
        if not offered:
            cost, offered = next(buys, (0, 0))
        if not wanted:
            value, wanted = next(sells, (0, 0))
    return Depth(qty, profit)


class Opportunities:
    """Which pairs (where to buy, where to sell) pay, and for how many consecutive updates they have.

    An update is a new quote of either; it is the last one if the pair does not pay at it, or if one of the
    two is then not fresh.
    """

    def __init__(self) -> None:
        self._standing: dict[tuple[Quoted, Quoted], tuple[int, int]] = {}
        """Pair → (updates, since_ns)."""

    def judge(self, changed: Quoted, others: Iterable[Quoted], now_ns: int) -> None:
        """One quote is new, or its conversion is (then `others` are those in other currencies)."""
        for other in others:
            if other.venue == changed.venue:
                continue
            if other.currency == changed.currency:
                here, there = 0 < changed.bought < other.sold, 0 < other.bought < changed.sold
            else:
                here, there = (
                    0 < changed.home_bought < other.home_sold,
                    0 < other.home_bought < changed.home_sold,
                )
            if here or there or self._standing:
                self._count(changed, other, here, now_ns)
                self._count(other, changed, there, now_ns)

    def end(self, gone: Quoted) -> None:
        """It has no quote, or none that can be compared."""
        for pair in [pair for pair in self._standing if gone in pair]:
            del self._standing[pair]

    def list(self, units: Scale, currency: str, now_ns: int) -> tuple[Opportunity, ...]:
        """Those whose quotes are fresh now, the most profitable first. `currency`: the common one."""
        if not self._standing:
            return ()
        found = [
            _view(buy, sell, units, currency, now_ns, *since)
            for (buy, sell), since in self._standing.items()
            if _comparable(buy, sell, now_ns)
        ]
        return tuple(sorted((o for o in found if o.qty), key=lambda o: -o.profit))

    def _count(self, buy: Quoted, sell: Quoted, pays: bool, now_ns: int) -> None:
        if pays and _comparable(buy, sell, now_ns):
            updates, since_ns = self._standing.get((buy, sell), (0, now_ns))
            self._standing[buy, sell] = updates + 1, since_ns
        else:
            self._standing.pop((buy, sell), None)


def _comparable(buy: Quoted, sell: Quoted, now_ns: int) -> bool:
    if buy.currency == sell.currency:
        return buy.fresh(now_ns) and sell.fresh(now_ns)
    return buy.comparable(now_ns) and sell.comparable(now_ns)


def _view(
    buy: Quoted, sell: Quoted, units: Scale, currency: str, now_ns: int, updates: int, since_ns: int
) -> Opportunity:
    home = buy.currency != sell.currency
    ask, bid = (buy.home_ask, sell.home_bid) if home else (buy.ask, sell.bid)
    cost, value = (buy.home_bought, sell.home_sold) if home else (buy.bought, sell.sold)
    qty, profit = depth(buy.purchases(home), sell.sales(home))
    price, amount = 10**units.price_decimals, 10**units.qty_decimals
    return Opportunity(
        buy_venue=buy.venue,
        buy_symbol=buy.instrument.symbol,
        sell_venue=sell.venue,
        sell_symbol=sell.instrument.symbol,
        currency=currency if home else buy.currency,
        ask=ask / price,
        bid=bid / price,
        edge_bps=(value - cost) / cost * 1e4,
        qty=qty / amount,
        profit=profit / (price * amount * FEE_SCALE),
        buy_age_ns=now_ns - buy.recv_ns(home),
        sell_age_ns=now_ns - sell.recv_ns(home),
        updates=updates,
        since_ns=since_ns,
    )
