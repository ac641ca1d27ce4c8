"""From an intent to an order at work: the gate, the limits, the chase, the exit plan.

It rules nothing itself: `micro.gate`, `micro.limits`, `micro.chase` and `micro.position` do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from citadel_kit.clock import iso
from citadel_kit.errors import GateRefused
from citadel_kit.micro.gate import NOTHING_KNOWN, Exposure, GateConfig, Reason, judge
from citadel_kit.run.allowance import Allowance
from citadel_kit.run.executor import SmartOrderExecutor
from citadel_kit.run.options import Abilities, configure, exit_chase, plan_of
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.plans import exit_id
from citadel_kit.types import BookReader, Instrument, MicroSnapshot, OrderIntent, Purpose, Side, Verdict


class Sight(Protocol):
    """What the intake sees of its engine."""

    now_ns: int

    def snapshot(self) -> MicroSnapshot: ...

    def glimpse(self, venue: str) -> MicroSnapshot:
        """What the gate looks at, and neither other venues nor orders: this is asked for at every top."""

    def book(self, venue: str) -> BookReader: ...


class Intake:
    def __init__(
        self,
        config: GateConfig,
        sight: Sight,
        instruments: Mapping[str, Instrument],
        allowance: Allowance,
        abilities: Callable[[str], Abilities],
    ) -> None:
        self.verdict: Verdict | None = None
        self._config, self._sight, self._instruments = config, sight, instruments
        self._allowance, self._abilities = allowance, abilities

    def serve(self, executor: SmartOrderExecutor) -> None:
        """Before anything else: the executor asks back, so each needs the other."""
        self._executor = executor

    def judge(self, intent: OrderIntent, group: str = "") -> Verdict:
        """What the gate says to this intent now; kept, with its time, as `verdict`."""
        sight = self._sight
        held = self._exposure(intent, group)
        said = judge(self._config, intent, sight.snapshot(), sight.now_ns, held)
        self.verdict = said._replace(text=f"{said.text} ({iso(sight.now_ns)[11:19]} UTC)")
        return self.verdict

    def submit(self, intent: OrderIntent, options: Mapping[str, Any]) -> str:
        """Ask the gate and the limits, then chase, or with `twap_s` in slices; the name of the order.

        Raises GateRefused, ConfigError for a bad option.
        """
        if "twap_s" not in options:
            return self.submit_one(intent, options).parent_id
        self._let_through(intent, "")
        instrument, top = self._instruments[intent.venue], self._sight.book(intent.venue).top()
        price = (top.bid + top.ask) // 2
        return self._executor.start_twap(intent, instrument, options, price, self._sight.now_ns)

    def submit_one(
        self, intent: OrderIntent, options: Mapping[str, Any], group: str = "", parent_id: str = ""
    ) -> ParentOrder:
        """One chase. `group`: of a slice, what it is a slice of. Raises GateRefused, ConfigError."""
        self._let_through(intent, group)
        instrument, now_ns = self._instruments[intent.venue], self._sight.now_ns
        can = self._abilities(intent.venue)
        config = configure(instrument, intent, options, now_ns, can)
        book = self._sight.book(intent.venue)
        top, plan = book.top(), None
        if intent.purpose == Purpose.ENTRY:
            mid = (top.bid + top.ask) / 2
            plan = plan_of(instrument, intent, options, mid, now_ns, can)
        return self._executor.submit(
            intent, instrument, config, top, now_ns, book, plan=plan, group=group, parent_id=parent_id
        )

    def _let_through(self, intent: OrderIntent, group: str) -> None:
        """Raises GateRefused."""
        verdict = self.judge(intent, group)
        if not verdict.allowed:
            raise GateRefused(verdict.reasons, verdict.text)
        top = self._sight.book(intent.venue).top()
        if broken := self._broken(intent, top.bid if intent.side == Side.BUY else top.ask):
            what = f"{intent.venue}: blocked by the account's limits: {broken}"
            raise GateRefused((Reason.NOTIONAL,), what)

    def start_exit(self, entry: ParentOrder, number: int, qty: int, urgent: bool, now_ns: int) -> bool:
        """An exit that a plan asks for. False where the gate does not allow it now."""
        instrument, side = entry.instrument, Side(-entry.intent.side)
        intent = OrderIntent(
            venue=instrument.venue, symbol=instrument.symbol, side=side, qty=qty, purpose=Purpose.EXIT
        )
        seen = self._sight.glimpse(instrument.venue)
        # What an entry has open is its own to close, whatever others make of the venue's sum; and its plan
        # never lets stop and exit together trade more than that.
        held = self._exposure(intent)._replace(position=-int(side) * qty, reducing=0)
        if not judge(self._config, intent, seen, now_ns, held).allowed:
            return False
        config = exit_chase(instrument, intent, now_ns, self._abilities(instrument.venue), urgent=urgent)
        book = self._sight.book(instrument.venue)
        name = exit_id(entry, number)
        self._executor.submit(
            intent, instrument, config, book.top(), now_ns, book, group=entry.parent_id, parent_id=name
        )
        return True

    def may_go_on(self, intent: OrderIntent) -> bool:
        """An entry at work is asked again; that its own signal is in use is no news."""
        held = self._exposure(intent)._replace(signal_used=False)
        seen = self._sight.glimpse(intent.venue)
        return judge(self._config, intent, seen, self._sight.now_ns, held).allowed

    def _broken(self, intent: OrderIntent, price: int) -> str:
        """The limits the whole order would break."""
        instrument = self._instruments[intent.venue]
        return self._allowance.breaches(
            instrument, intent, price, intent.qty, self._executor.orders.open_notional(instrument, price),
            self._sight.now_ns,
        )  # fmt: skip

    def _exposure(self, intent: OrderIntent, group: str = "") -> Exposure:
        try:
            orders, instrument = self._executor.orders, self._instruments[intent.venue]
            ask = self._sight.book(intent.venue).top().ask
            return Exposure(
                position=orders.ledger.position(intent.venue).qty,
                reducing=orders.reducing(intent.venue),
                signal_used=intent.signal is not None and orders.has_used(intent.signal, group),
                notional=instrument.notional(ask, intent.qty),
                inverse=instrument.inverse,
            )
        except Exception:  # noqa: BLE001 - the gate says what is wrong with the intent, and blocks
            return NOTHING_KNOWN
