"""What an incoming order would take: worked out in full before anything changes."""

from __future__ import annotations

from typing import NamedTuple

from citadel_kit.micro.matching.halfbook import HalfBook
from citadel_kit.micro.matching.orders import ExchangeOrder, Stp


class Slice(NamedTuple):
    """One step of a taking order."""

    price: int
    qty: int
    maker: ExchangeOrder | None
    """None: the outside."""
    prevented: bool
    """No trade: this maker is of the taker's own account, and expires."""


class Plan(NamedTuple):
    slices: list[Slice]
    qty: int
    """That trades."""
    notional: int
    taker_expires: bool
    """Self-trade prevention ends the taker after the slices."""


def plan(half: HalfBook, taker: ExchangeOrder, *, qty: int, budget: int, lot: int) -> Plan:
    """Of the opposite side `half`, up to the taker's limit price, where it has one.

    At most `qty` (0: no limit) for at most `budget` as a notional (-1: no limit); what the budget cuts is
    rounded down to a whole lot.
    """
    slices: list[Slice] = []
    got = notional = 0
    for price, there, maker in half.segments():
        if taker.price and taker.side * (taker.price - price) < 0:
            break
        take = min(there, qty - got) if qty else there
        if budget >= 0 and notional + take * price > budget:
            take = (budget - notional) // price
            take -= (got + take) % lot
        if take <= 0:
            break
        if maker is not None and maker.account == taker.account and taker.stp != Stp.NONE:
            if taker.stp != Stp.EXPIRE_TAKER:
                slices.append(Slice(price, 0, maker, True))
            if taker.stp != Stp.EXPIRE_MAKER:
                return Plan(slices, got, notional, True)
            continue
        slices.append(Slice(price, take, maker, False))
        got += take
        notional += take * price
        if got == qty:
            break
    return Plan(slices, got, notional, False)
