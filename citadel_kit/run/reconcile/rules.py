"""The rules of the package's docstring, order by order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from citadel_kit.io.journal import Booked, OwnOrder
from citadel_kit.run.reconcile.records import Finish, Found, MissedFill, Reconciliation, VenueView
from citadel_kit.types import (
    FIRST_STOP_ID,
    Fill,
    Side,
    VenueOrder,
    VenueTrade,
    client_id,
    parse_client_id,
)

GRACE_NS: Final = 10_000_000_000
"""A request that was sent so long ago without effect has none any more."""
RECENT_NS: Final = 600_000_000_000
"""Settled orders are looked at again for so long: a fill may be later than the word that an order is gone."""
CLOCK_SLACK_NS: Final = 60_000_000_000
"""By how much the venue's clock may be behind ours."""


def to_ask(ours: Iterable[OwnOrder], asked_ns: int, *, start: bool, grace_ns: int = GRACE_NS) -> list[str]:
    """Client ids whose fate is open. At the start no end is believed of an order that was just sent."""
    return [o.client_id for o in ours if not o.settled or (start and _doubted(o, asked_ns, grace_ns))]


def _doubted(own: OwnOrder, asked_ns: int, grace_ns: int) -> bool:
    """Sent so shortly ago, and not filled whole, that it could come to life after we heard of its end."""
    return own.placed_ns + grace_ns > asked_ns and own.booked < own.qty


def trades_since(ours: Iterable[OwnOrder], alive: Iterable[VenueOrder], now_ns: int) -> int:
    """From when on the venue's trades are needed: all of each order, for a piece has its place in the whole.

    `alive`: open orders of ours.
    """
    times = [own.placed_ns for own in ours] + [order.created_ns for order in alive]
    return max(min(times, default=now_ns) - CLOCK_SLACK_NS, 0)


def reconcile(
    venue: str,
    ours: Sequence[OwnOrder],
    view: VenueView,
    prefixes: Collection[str],
    *,
    keep: Collection[str] | None,
    grace_ns: int = GRACE_NS,
) -> Reconciliation:
    """`prefixes`: of this engine and all earlier ones. `keep`: client ids that are to stay; None: the start.

    Pure. With the same view after `record` it books and finishes nothing more; it cancels until the venue
    shows the order gone.
    """
    fresh = ours if keep is None else [own for own in ours if own.last_ns < view.asked_ns]
    stale = {own.client_id for own in ours} - {own.client_id for own in fresh}
    return _Case(venue, fresh, view, prefixes, grace_ns, stale, keep).decide()


class _Case:
    """One comparison: what belongs to whom, and then order by order."""

    def __init__(
        self,
        venue: str,
        ours: Sequence[OwnOrder],
        view: VenueView,
        prefixes: Collection[str],
        grace_ns: int,
        stale: Collection[str],
        keep: Collection[str] | None,
    ) -> None:
        """`stale`: client ids of ours that are left to the next round."""
        self._venue, self._view, self._grace_ns, self._stale = venue, view, grace_ns, stale
        self._keep = keep
        self._own = {own.client_id: own for own in ours}
        self._prefixes = set(prefixes) | {own.prefix for own in ours}
        # What was asked by client id is newer than the list.
        newest = {order.client_id: order for order in view.open_orders if self._named(order.client_id)}
        newest |= {name: order for name, order in view.asked.items() if order is not None}
        self._shown = {name: order for name, order in newest.items() if name not in stale}
        self._trades, self._foreign_trades = self._sorted_trades()
        self._book: list[MissedFill] = []
        self._finish: list[Finish] = []
        self._waiting: list[str] = []
        self._problems: list[str] = []

    def decide(self) -> Reconciliation:
        for name in dict.fromkeys([*self._own, *self._shown, *self._trades]):
            if name not in self._stale:
                self._compare(name)
        alive = [self._found(name) for name, order in self._shown.items() if order.alive]
        keep = self._protecting(alive) if self._keep is None else self._keep
        adopt = [f for f in alive if f.order.client_id in keep and self._expected(f.order.client_id)]
        return Reconciliation(
            book=tuple(self._book),
            adopt=tuple(adopt),
            finish=tuple(self._finish),
            cancel=tuple(f for f in alive if f not in adopt),
            waiting=tuple(self._waiting),
            problems=tuple(self._problems),
            foreign_orders=tuple(o for o in self._view.open_orders if not self._named(o.client_id)),
            foreign_trades=tuple(self._foreign_trades),
        )

    # --- whose is it --------------------------------------------------------------------

    def _named(self, name: str) -> tuple[str, str, int] | None:
        """Prefix, parent and order id, where the client id is ours."""
        prefix = name.partition("-")[0]
        parsed = parse_client_id(name, prefix) if prefix in self._prefixes else None
        return (prefix, *parsed) if parsed is not None else None

    def _found(self, name: str) -> Found:
        named = self._named(name)
        assert named is not None  # only such get into `_shown`
        return Found(*named, self._shown[name])

    def _sorted_trades(self) -> tuple[dict[str, list[VenueTrade]], list[VenueTrade]]:
        """Trades by client id, and those that aren't ours. A trade that is listed twice counts once."""
        names = {own.venue_order_id: own.client_id for own in self._own.values()}
        names |= {order.venue_order_id: name for name, order in self._shown.items()}
        ours: dict[str, list[VenueTrade]] = {}
        foreign = []
        once = {(trade.symbol, trade.trade_id): trade for trade in self._view.trades}
        for trade in once.values():
            name = trade.client_id or (names.get(trade.venue_order_id, "") if trade.venue_order_id else "")
            if self._named(name):
                ours.setdefault(name, []).append(trade)
            else:
                foreign.append(trade)
        return ours, foreign

    # --- one order ----------------------------------------------------------------------

    def _compare(self, name: str) -> None:
        own, order, trades = self._own.get(name), self._shown.get(name), self._trades.get(name, [])
        listed = sum(trade.qty for trade in trades)
        fills = own.fills if own else ()
        booked = sum(fill.qty for fill in fills)
        if own is not None and order is None and self._is_over(own):
            if listed > booked:  # later than the word that it is gone
                self._missed(name, fills, trades)
            return
        filled = max(listed, order.filled if order else 0)
        answered = order is not None or name in self._view.asked
        if answered and booked > filled:
            self._problems.append(f"{name}: {booked} are booked, the venue shows {filled}")
        elif listed < filled and booked < filled:
            self._waiting.append(f"{name}: the venue's trades show {listed} of {filled} filled")
        else:
            self._missed(name, fills, trades)
            if own is not None and not (order is not None and order.alive):
                self._end(own, order, filled)

    def _is_over(self, own: OwnOrder) -> bool:
        start = self._keep is None
        return own.settled and not (start and _doubted(own, self._view.asked_ns, self._grace_ns))

    def _end(self, own: OwnOrder, order: VenueOrder | None, filled: int) -> None:
        """The venue shows it gone, doesn't know it, or didn't answer."""
        name = own.client_id
        if order is None and name not in self._view.asked:
            self._waiting.append(f"{name}: the venue did not say what became of it")
        elif order is None and own.placed_ns + self._grace_ns > self._view.asked_ns:
            self._waiting.append(f"{name}: the venue does not know it yet")
        elif filled < own.claimed:
            self._problems.append(f"{name}: {own.claimed} were reported filled, the venue shows {filled}")
        elif not own.done:
            lived = order is not None or filled > 0
            self._finish.append(Finish(own, filled, lived, order.venue_order_id if order else ""))

    def _missed(self, name: str, fills: Sequence[Booked], trades: Sequence[VenueTrade]) -> None:
        """What no booked fill covers."""
        named = self._named(name)
        assert named is not None  # only such get into `_trades`
        prefix, parent_id, order_id = named
        for trade, low, high in _laid(fills, trades):
            fill = Fill(
                venue=self._venue,
                symbol=trade.symbol,
                parent_id=parent_id,
                order_id=order_id,
                recv_ns=self._view.asked_ns,
                side=Side(trade.side),
                price=trade.price,
                qty=high - low,
                maker=trade.maker,
                fee=trade.fee * (high - low) / trade.qty,
                base_fee=-(-trade.base_fee * (high - low) // trade.qty),
            )
            self._book.append(MissedFill(prefix, trade.trade_id, fill, high))

    # --- which stay ---------------------------------------------------------------------

    def _expected(self, name: str) -> bool:
        """Does the journal have it at work? What it holds for gone must not live on."""
        own = self._own.get(name)
        return own is not None and not own.done

    def _protecting(self, alive: Sequence[Found]) -> set[str]:
        """At the start: the newest stop of every entry whose position, with what was missed, it reduces."""
        sides = {f.order.client_id: f.order.side for f in alive if f.order_id >= FIRST_STOP_ID}
        stops = [self._own[name] for name in sides if self._expected(name)]
        newest = {stop.family: stop for stop in sorted(stops, key=lambda s: (s.placed_ns, s.order_id))}
        return {s.client_id for s in newest.values() if self._net(s) * sides[s.client_id] < 0}

    def _net(self, stop: OwnOrder) -> int:
        """Of its entry, with what was missed."""
        missed = [m.fill for m in self._book if self._family(m) == stop.family]
        return stop.family_net + sum(int(fill.side) * fill.qty for fill in missed)

    def _family(self, missed: MissedFill) -> str:
        own = self._own.get(client_id(missed.prefix, missed.fill.parent_id, missed.fill.order_id))
        return own.family if own else f"{missed.prefix}-{missed.fill.parent_id}"


def _laid(fills: Sequence[Booked], trades: Sequence[VenueTrade]) -> Iterator[tuple[VenueTrade, int, int]]:
    """The pieces of trades that no fill covers, each with its bounds in the order's filled quantity.

    A trade whose id is booked is done with. The others are laid, in the venue's order, over what those leave.
    """
    ids = {fill.trade_id for fill in fills if fill.trade_id}
    nameless = [fill for fill in fills if not fill.trade_id]
    room = _uncovered(0, 1 << 62, [fill for fill in fills if fill.trade_id])
    for trade in trades:
        rest = 0 if trade.trade_id in ids else trade.qty
        while rest:
            low, end = room.pop(0)
            high = min(low + rest, end)
            if high < end:
                room.insert(0, (high, end))
            rest -= high - low
            yield from ((trade, *gap) for gap in _uncovered(low, high, nameless))


def _uncovered(start: int, end: int, fills: Sequence[Booked]) -> list[tuple[int, int]]:
    """The parts of the piece from `start` to `end` that no fill covers."""
    gaps = []
    for fill in sorted(fills, key=lambda f: f.filled):
        low, high = fill.filled - fill.qty, fill.filled
        if low > start and start < end:
            gaps.append((start, min(low, end)))
        start = max(start, high)
    return [*gaps, (start, end)] if start < end else gaps
