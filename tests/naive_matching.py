"""The matching engine's slow, obvious twin: every quantity trades one unit at a time, and every step looks at
everything anew. No money, no filters; limit and market orders of every time in force, cancels, amends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from citadel_kit.micro.matching import QueueConfig, Stp, Tif
from citadel_kit.types import Side


@dataclass
class NaiveOrder:
    number: int
    account: str
    side: Side
    price: int
    qty: int
    stp: Stp
    filled: int = 0
    resting: bool = False
    ahead: int = 0
    level: int = 0
    traded: int = 0
    unexplained: int = 0

    @property
    def left(self) -> int:
        return self.qty - self.filled


class NaiveMarket:
    """`queue` holds the resting orders of both sides in the order of their arrival."""

    def __init__(self, config: QueueConfig) -> None:
        self.config = config
        self.stated: dict[tuple[Side, int], int] = {}
        self.taken: dict[tuple[Side, int], int] = {}
        self.queue: list[NaiveOrder] = []
        self.units: list[tuple[int, int, int, Side]] = []
        """(maker's number, taker's number, price, aggressor) of every unit traded; 0 is the outside."""

    # --- the book -------------------------------------------------------------------------------------------

    def visible(self, side: Side, price: int) -> int:
        return max(self.stated.get((side, price), 0) - self.taken.get((side, price), 0), 0)

    def shown(self, side: Side) -> list[tuple[int, int]]:
        prices = {p for s, p in self.stated if s == side} | {o.price for o in self.queue if o.side == side}
        totals = {
            p: self.visible(side, p) + sum(o.left for o in self.queue if (o.side, o.price) == (side, p))
            for p in prices
        }
        return sorted(((p, q) for p, q in totals.items() if q), reverse=side is Side.BUY)

    def at(self, side: Side, price: int) -> list[NaiveOrder]:
        return [o for o in self.queue if (o.side, o.price) == (side, price)]

    def fill(self, order: NaiveOrder) -> None:
        order.filled += 1
        if not order.left and order.resting:
            self.queue.remove(order)
            order.resting = False

    def trades(self) -> list[tuple[int, int, int, int, Side]]:
        """(maker, taker, price, quantity, aggressor): units that belong together, counted."""
        return [(key[0], key[1], key[2], len(list(units)), key[3]) for key, units in groupby(self.units)]

    # --- clients --------------------------------------------------------------------------------------------

    def place(self, order: NaiveOrder, tif: Tif) -> None:
        """A price of 0 is a market order."""
        if tif == Tif.FOK and not self.fits(order):
            return
        while order.left:
            levels = self.shown(Side(-order.side))
            if not levels or (order.price and order.side * (order.price - levels[0][0]) < 0):
                break
            price = levels[0][0]
            waiting = self.at(Side(-order.side), price)
            maker = waiting[0] if waiting else None
            if maker is None or (maker.ahead and self.visible(maker.side, price)):
                self.take_outside(Side(-order.side), price)
                self.units.append((0, order.number, price, order.side))
            elif maker.account == order.account and order.stp != Stp.NONE:
                if order.stp != Stp.EXPIRE_TAKER:
                    self.cancel(maker)
                if order.stp != Stp.EXPIRE_MAKER:
                    return
                continue
            else:
                self.fill(maker)
                self.units.append((maker.number, order.number, price, order.side))
            order.filled += 1
        if order.left and order.price and tif == Tif.GTC:
            self.rest(order)

    def fits(self, order: NaiveOrder) -> bool:
        """Could all of it trade? Tried on a copy of the market."""
        copy = NaiveMarket(self.config)
        copy.stated, copy.taken = dict(self.stated), dict(self.taken)
        copy.queue = [NaiveOrder(**vars(o)) for o in self.queue]
        trial = NaiveOrder(**vars(order))
        copy.place(trial, Tif.IOC)
        return not trial.left

    def take_outside(self, side: Side, price: int) -> None:
        self.taken[side, price] = self.taken.get((side, price), 0) + 1
        for other in self.at(side, price):
            other.ahead = max(other.ahead - 1, 0)

    def rest(self, order: NaiveOrder) -> None:
        before = self.at(order.side, order.price)
        order.ahead = max([self.visible(order.side, order.price), *(o.ahead for o in before)])
        order.level = self.stated.get((order.side, order.price), 0)
        order.traded = order.unexplained = 0
        order.resting = True
        self.queue.append(order)

    def cancel(self, order: NaiveOrder) -> None:
        self.queue.remove(order)
        order.resting = False

    def amend(self, order: NaiveOrder, qty: int, price: int) -> None:
        if price == order.price and qty < order.qty:
            order.qty = qty
            return
        self.cancel(order)
        order.qty, order.price = qty, price
        self.place(order, Tif.GTC)

    # --- the outside ----------------------------------------------------------------------------------------

    def trade(self, price: int, qty: int, side: Side) -> None:
        reached = sorted(
            (o for o in self.queue if o.side == -side and o.side * (o.price - price) >= 0),
            key=lambda o: -o.side * o.price,
        )
        if self.config.pessimistic:
            reached = [o for o in reached if o.price != price]
        for order in reached:
            if order.price != price:
                order.ahead = 0
            else:
                explained = min(order.unexplained, qty)
                order.unexplained -= explained
                order.traded += qty - explained
        nobodys = 0
        for _ in range(qty):
            # The unit walks the queues: the outside in front of the first waiting order, then that order.
            order = next((o for o in reached if o.left), None)
            if order is not None and not order.ahead:
                self.fill(order)
                self.units.append((order.number, 0, order.price, side))
                continue
            nobodys += 1
            for other in reached:
                other.ahead = max(other.ahead - 1, 0)
        self.units += [(0, 0, price, side)] * nobodys

    def book(self, levels: dict[tuple[Side, int], int], *, is_snapshot: bool) -> None:
        gone = {key: 0 for key in self.stated if is_snapshot and key not in levels}
        for key, qty in {**gone, **levels}.items():
            if qty != self.stated.get(key, 0):
                self.stated[key] = qty
                self.taken.pop(key, None)
        for side in Side:
            for price in {o.price for o in self.queue if o.side == side}:
                self.hear(side, price)
        for side in Side:
            while self.meet(side):
                pass

    def hear(self, side: Side, price: int) -> None:
        """Of one book update; see `on_level`."""
        now = self.stated.get((side, price), 0)
        for o in self.at(side, price):
            o.ahead = max(o.ahead - o.unexplained * self.config.cancel_pct // 100, 0)
            o.unexplained = max(o.level - now - o.traded, 0)
            o.ahead = min(o.ahead, now + o.unexplained)
            o.level, o.traded = now, 0

    def meet(self, side: Side) -> bool:
        waiting = sorted((o for o in self.queue if o.side == side), key=lambda o: -side * o.price)
        there = self.shown(Side(-side))
        if not waiting or not there or side * (waiting[0].price - there[0][0]) < 0:
            return False
        order, price = waiting[0], there[0][0]
        if self.config.pessimistic and order.price == price:
            self.taken[Side(-side), price] = self.stated[Side(-side), price]
            return True
        order.ahead = order.traded = order.unexplained = 0
        self.take_outside(Side(-side), price)
        self.fill(order)
        self.units.append((order.number, 0, order.price, Side(-side)))
        return True
