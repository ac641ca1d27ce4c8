"""One account at real venues, or at a local exchange: what stands between an engine's commands and the wire.

Lease, journal, kill files, brokers, reconciliation, in the order that `run.reconcile` says. It lives on the
engine's loop and owns no rule of trading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from citadel_kit import clock
from citadel_kit.errors import EngineClosed, JournalError, LeaseHeld, VenueUnreachable
from citadel_kit.io.broker import Armed, BrokerConfig, CcxtBroker, arm_live, capabilities
from citadel_kit.io.journal import Journal
from citadel_kit.io.keys import Keys, load_keys
from citadel_kit.io.lease import Lease
from citadel_kit.io.rest import apart
from citadel_kit.micro.limits import Limits
from citadel_kit.run.abilities import abilities
from citadel_kit.run.bookkeeper import Bookkeeper
from citadel_kit.run.brakes import Brakes
from citadel_kit.run.outbox import Outbox
from citadel_kit.run.reconcile import Reconciliation
from citadel_kit.run.resume import open_plans
from citadel_kit.run.rounds import Rounds
from citadel_kit.run.sender import Sender
from citadel_kit.types import FIRST_STOP_ID, Instrument, OrderReport, client_id

if TYPE_CHECKING:
    from citadel_kit.run.engine import Engine

_STEP_S: Final = 0.02


class AccountConfig(NamedTuple):
    settle_s: float = 180.0
    """For the start's reconciliation: what isn't explained then is for a person to look at. An order that was
    on its way when an engine died may come to life two minutes later, at Coinbase."""
    every_s: float = 10.0
    """Between two rounds of reconciliation while running."""
    end_s: float = 5.0
    """At the end, for the venues' word on what was cancelled."""
    broker: BrokerConfig = BrokerConfig()


class LocalVenues(Protocol):
    """What is asked of a local exchange."""

    name: str
    """No other exchange ever has it."""

    def ccxt_config(self, venue: str) -> Mapping[str, Any]: ...


class Account:
    """Given to a `LiveDriver`: with it orders are real, at `local` a local exchange or at `live` the venues.

    One engine at a time uses it, from `start` to `stop`. `keys` and `at` by venue. `journal`: this account's
    own, `data/NAME.db` without one: its lease remembers it, and another is refused while that one is there.
    """

    def __init__(
        self,
        name: str,
        keys: Mapping[str, Keys | Armed],
        *,
        mode: str,
        journal: Path | str = "",
        at: Mapping[str, Mapping[str, Any]] | None = None,
        limits: Limits | None = None,
        config: AccountConfig = AccountConfig(),  # noqa: B008 - immutable
    ) -> None:
        self.name, self.mode, self.limits = name, mode, limits
        self.journal_path = Path(journal or f"data/{name}.db")
        self._keys, self._at, self._config = dict(keys), at or {}, config
        self._brokers: dict[str, CcxtBroker] = {}
        self._rounds: dict[str, Rounds] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.foreign: dict[str, tuple[str, ...]] = {}
        """By venue, orders of the account that aren't ours; they are never touched."""
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._settled, self._prefix = False, ""

    @classmethod
    def local(cls, exchange: LocalVenues, *, name: str = "", **more: Any) -> Account:
        """At a local exchange, with the key it hands out. Of its venues `binance` takes orders; the others
        serve market data only. `name`: without one, the exchange's. `more`: as for the class.
        """
        configs = {venue: exchange.ccxt_config(venue) for venue in ("binance",)}
        keys = {
            venue: Keys.of(venue, c["apiKey"], c["secret"], c.get("password", ""))
            for venue, c in configs.items()
        }
        return cls(name or exchange.name, keys, mode="PAPER", at=configs, **more)

    @classmethod
    def live(
        cls,
        venues: Sequence[str],
        *,
        arm: str,
        limits: Limits,
        name: str = "main",
        **more: Any,
    ) -> Account:
        """REAL MONEY. Keys come from the environment or the keyring; each venue is asked what they may do,
        and what is armed is printed, with the `limits` that every engine of this account keeps.

        Raises ConfigError unless `arm` is "LIVE", and for keys that may withdraw; VenueUnreachable.
        """
        keys: dict[str, Keys | Armed] = {}
        words = {name: f"{value:,g}" for name, value in limits._asdict().items()}
        for venue in venues:
            password = capabilities(venue).wants_password
            found = load_keys(venue, password=password)
            keys[venue] = apart(arm_live(venue, found, arm=arm, limits=words))
        return cls(name, keys, mode="LIVE", limits=limits, **more)

    def __repr__(self) -> str:
        return f"<Account {self.name!r} {self.mode}: {', '.join(self._keys)}; journal {self.journal_path}>"

    @property
    def venues(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def outbox(self) -> Outbox:
        """The engine's broker."""
        return Outbox(abilities(self._keys))

    # --- life ---

    async def start(self, engine: Engine, outbox: Outbox, after: Callable[[], None]) -> None:
        """`after`: called when the engine has heard something.

        Returns when journal and venues agree and every open position has its plan again.

        Raises LeaseHeld where another engine trades this account, or uses this object, JournalError,
        ConfigError for keys that a venue doesn't take, VenueUnreachable, and EngineClosed naming what
        `settle_s` did not explain.
        """
        if self._engine is not None:
            raise LeaseHeld(f"account {self.name!r}", f"engine {self._prefix} of this process")
        engine.block("the account is being reconciled")
        now_ns = clock.now_ns()
        self.journal_path.parent.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(self.journal_path)
        try:
            self._journal.check_owner(self.name, self.mode)
            known = self._journal.prefixes()
            self._lease = Lease(
                self.name, self.venues, now_ns, known=known, journal=self.journal_path, keys=self._digests()
            )
        except BaseException:
            self._journal.close()
            raise
        self._engine, self._outbox, self._after = engine, outbox, after
        self._prefix = self._lease.prefix
        self._loop = asyncio.get_running_loop()
        try:
            self._journal.start_run(self._lease.prefix, self.name, self.mode, now_ns)
            self._brakes = Brakes(self.name, self._journal, self._lease, engine)
            self._books = Bookkeeper(self._journal, self._forward)
            self._sender = Sender(
                self._lease.prefix, self._brakes, self._books, engine.orders, self._brokers, self._forward
            )
            self._books.venue_order_id = lambda venue, *key: self._brokers[venue].venue_order_id(*key)
            for venue in self.venues:
                await self._connect(venue, engine.instruments[venue])
                self._rounds[venue].check_others()
            await self._settle()
            self._settled = True
            engine.block("")
            self._brakes.look()
            self._tasks = [asyncio.create_task(self._reconcile(venue)) for venue in self.venues]
        except BaseException:
            await self._release()
            raise

    async def stop(self) -> None:
        """Wait for the venues' word on what was cancelled, for `end_s` at most; then give everything back.

        On another loop than `start` was called on, nothing: what runs is another engine's."""
        engine = self._engine
        if engine is None or self._loop is not asyncio.get_running_loop():
            return
        until_ns = clock.now_ns() + int(self._config.end_s * clock.SECOND)
        while engine.orders.working and clock.now_ns() < until_ns:
            engine.timer(clock.now_ns())
            self.perform()
            await asyncio.sleep(_STEP_S)
        await self._release()

    # --- the engine's loop ---

    def perform(self) -> None:
        """Write down and send what the engine has decided, in its order; nothing before the start is over."""
        if self._settled:
            self._brakes.see(self._the_engine.watch.stands)
            for item in self._outbox.take():
                self._sender.do(item)

    def look(self) -> None:
        """Ten times a second: is anything to stop us?"""
        if self._settled:
            self._brakes.look()

    def kill(self) -> None:
        """The engine was killed by hand."""
        if self._settled:
            self._brakes.kill("by hand")

    def rearm(self) -> None:
        """Of a kill, whoever made it. Raises OSError where a kill file can't be written."""
        if self._settled:
            self._brakes.rearm()

    # --- inside ---

    def _digests(self) -> dict[str, str]:
        """Of LIVE keys, by venue: under two names too, one engine trades with one."""
        keys = {venue: k.keys if isinstance(k, Armed) else k for venue, k in self._keys.items()}
        return {venue: k.account for venue, k in keys.items()} if self.mode == "LIVE" else {}

    async def _connect(self, venue: str, instrument: Instrument) -> None:
        self._brokers[venue] = broker = CcxtBroker(
            venue, [instrument], self._heard, prefix=self._lease.prefix, keys=self._keys[venue],
            at=self._at.get(venue), on_trade=self._books.on_trade, config=self._config.broker,
        )  # fmt: skip
        await broker.start()
        known = {instrument.symbol: instrument}
        self._rounds[venue] = Rounds(broker, self._books, self._lease.prefixes, known)

    async def _settle(self) -> None:
        """Rounds at every venue until each is settled; then the plans of what is still open go on."""
        until_ns = clock.now_ns() + int(self._config.settle_s * clock.SECOND)
        self._names = (f"r{number}" for number in count(1))
        for venue, rounds in self._rounds.items():
            result = await rounds.settle(until_ns, self._config.broker.wait_s)
            self._note_foreign(venue, result)
            self._resume(venue, result)

    def _resume(self, venue: str, result: Reconciliation) -> None:
        """Every open position of an earlier run gets its plan again, with its stop where one rests."""
        rounds, engine, now_ns = self._rounds[venue], self._the_engine, clock.now_ns()
        own = {order.client_id: order for order in self._journal.own_orders(venue, now_ns)}
        stops = {own[found.order.client_id].family: found for found in result.adopt}
        plans, left = open_plans(self._journal, engine.instruments[venue], self._names, now_ns)
        for plan in plans:
            name, found = plan.order.parent_id, stops.get(plan.family)
            self._sender.families[name] = plan.family
            if found is not None:
                rounds.take_over(found, name, FIRST_STOP_ID, own[found.order.client_id])
            engine.guard_again(plan.order, plan.config, plan.state(found))
        for qty, price in left:
            engine.carry_over(venue, qty, price)

    def _heard(self, venue: str, parent_id: str, report: OrderReport) -> None:
        if not self._brakes.written(lambda: self._books.on_report(venue, parent_id, report)):
            self._forward(parent_id, report, 0)  # nothing is placed any more, but it may be cancelled

    def _forward(self, parent_id: str, report: OrderReport, base_fee: int) -> None:
        """An orphan that is being cancelled has no parent in the engine."""
        if self._the_engine.orders.get(parent_id) is not None:
            self._the_engine.report(parent_id, report, clock.now_ns(), base_fee)
            self._after()

    async def _reconcile(self, venue: str) -> None:
        """While running: what a round finds goes to the engine; a contradiction stops entries."""
        rounds = self._rounds[venue]
        while True:
            await asyncio.sleep(self._config.every_s)
            try:
                result, said = await rounds.once(lambda: self._at_work(venue))
            except VenueUnreachable as error:
                self._brakes.block(venue, f"{venue} can't be reconciled: {error.problem}")
                continue
            self._brakes.block(venue, "; ".join(result.problems))
            self._note_foreign(venue, result)
            fees = {
                (*m[:1], m.fill.parent_id, m.fill.order_id, m.filled): m.fill.base_fee for m in result.book
            }
            for prefix, parent_id, report in said:
                here = rounds.here(prefix, parent_id, report.order_id)
                if here is not None:
                    fee = fees.get((prefix, parent_id, report.order_id, report.filled), 0)
                    self._forward(here[0], report._replace(order_id=here[1]), fee)

    def _at_work(self, venue: str) -> set[str]:
        """Client ids of all that the engine has, or may have, at a venue."""
        rounds, prefix = self._rounds[venue], self._lease.prefix
        return {
            rounds.earlier_name(*key) or client_id(prefix, *key)
            for key in self._the_engine.orders.at_work()
            if key[1]
        }

    def _note_foreign(self, venue: str, result: Reconciliation) -> None:
        self.foreign[venue] = tuple(o.client_id or o.venue_order_id for o in result.foreign_orders)

    @property
    def _the_engine(self) -> Engine:
        if self._engine is None:
            raise EngineClosed(f"the account {self.name!r} is not in use")
        return self._engine

    async def _release(self) -> None:
        self._settled = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for broker in self._brokers.values():
            await broker.close()
        self._brokers.clear()
        now_ns = clock.now_ns()
        with suppress(JournalError):
            self._journal.end_run(now_ns)
        self._lease.release(now_ns)
        self._journal.close()
        self._engine = None
