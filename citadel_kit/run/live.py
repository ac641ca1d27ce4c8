"""The live driver: public streams of real venues in real time. Without an account fills are simulated.

It hands the engine what happened and performs what the sessions ask for; when to subscribe, what to trust and
when to reconnect is `micro.session`'s to say. A connection that can't be opened, one that ends, and a book
snapshot that can't be had are one and the same to it: the connection is closed for its reason, and opened
again after the session's back-off.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from citadel_kit import clock, ladder
from citadel_kit.errors import ConfigError, EngineClosed, LeaseHeld, VenueUnreachable
from citadel_kit.io import rest
from citadel_kit.io.ccxt_feed import CcxtFeed
from citadel_kit.io.reach import REACH_S
from citadel_kit.io.stream import PONG, Inbox, StreamConfig, connect
from citadel_kit.micro import flow
from citadel_kit.micro.session import Connect, FetchSnapshot, Send
from citadel_kit.run.abilities import budgets
from citadel_kit.run.account import Account
from citadel_kit.run.engine import Engine
from citadel_kit.run.outbox import Outbox
from citadel_kit.run.paper import PaperBroker
from citadel_kit.types import Codec, Instrument
from citadel_kit.venues import Endpoints, codec, endpoints

TICK_NS: Final = 100 * clock.MILLISECOND
PUBLISH_NS: Final = 50 * clock.MILLISECOND
"""Between two snapshots for the outside, at least."""
_STEP_S: Final = 0.02
_Opener = Callable[[], AbstractAsyncContextManager[Inbox]]


class LiveDriver:
    """Plays the present into an engine. `play` only waits: the market goes on between its calls.

    The constructor asks the venues for the instrument, so it needs the network and waits for it; it works in
    a notebook's thread too. Raises VenueUnreachable within `reach_s`, as `start` does within another
    `reach_s`; ConfigError where a venue is unknown or does not trade the symbol.

    `venues`: names of the kit's own, or `CcxtFeed("gate")` for one of ccxt's: that one is UNVERIFIED, and its
    list of markets may take `io.ccxt_feed.LIST_S`.

    `symbol`: one for all venues, or for each its own, of the same base asset; the engine goes by that of the
    first venue. `conversions`: for a venue of `venues` the symbol that makes currencies comparable, as
    `{"kraken": "USDT/USD"}`; without one, venues that quote in another currency stand apart.

    `at`: other addresses than the venues' own. `snapshot_gap_s`: between two requests for a book snapshot of
    one venue; each costs 50 of the 6,000 request weights a minute that Binance allows.

    `account`: where orders go. Without one the mode is PAPER and fills are simulated. Its venues must be
    among those watched here; an intent is for one of them.
    """

    def __init__(
        self,
        venues: Sequence[str | CcxtFeed] = ("binance",),
        symbol: str | Mapping[str, str] = "BTC/USDT",
        *,
        conversions: Mapping[str, str] | None = None,
        at: Mapping[str, Endpoints] | None = None,
        reach_s: float = REACH_S,
        snapshot_gap_s: float = 1.0,
        stream: StreamConfig | None = None,
        draw: Callable[[], float] = random.random,
        account: Account | None = None,
    ) -> None:
        names = list(dict.fromkeys(v if isinstance(v, str) else v.venue for v in venues))
        if not names:
            raise ConfigError("venues", "none is named", 'Give some, as ("binance", "kraken")')
        if len(names) < len(venues):
            raise ConfigError("venues", f"one is named twice: {', '.join(names)}")
        if account is not None and not set(account.venues) <= set(names):
            raise ConfigError("account", f"it trades {', '.join(account.venues)}", "Name them as `venues`")
        self._account, self._outbox = account, None if account is None else account.outbox()
        self.mode = "PAPER" if account is None else account.mode
        self.feed_shows_our_orders = account is not None
        self.limits = None if account is None else account.limits
        self.budgets = {} if account is None else budgets(account.venues)
        self._ccxt = {feed.venue: feed for feed in venues if isinstance(feed, CcxtFeed)}
        self._at = {v: (at or {}).get(v) or endpoints(v) for v in names if v not in self._ccxt}
        wanted = _wanted(names, symbol, conversions or {})
        listed = self._listed(wanted, reach_s)
        self.conversions = listed[len(names) :]
        self.feeds: list[tuple[Codec, Instrument]] = [
            (self._codec(self._all_of(i.venue, listed)), i) for i in listed[: len(names)]
        ]
        self.fees = {venue: feed.fees for venue, feed in self._ccxt.items() if feed.fees is not None}
        self.start_ns = clock.now_ns()
        self._stream = stream or StreamConfig(open_s=reach_s)
        self._gap_ns, self._draw = int(snapshot_gap_s * clock.SECOND), draw
        self._links: dict[str, _Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # of the engine that it drives

    async def start(
        self, engine: Engine, publish: Callable[[], None], fail: Callable[[Exception], None]
    ) -> None:
        """Returns when every stream stands. Raises VenueUnreachable, or LeaseHeld while it is in use."""
        if self._loop is not None:
            raise LeaseHeld("this driver", "another engine of this process")
        self._loop = asyncio.get_running_loop()
        self._engine, self._publish, self._fail = engine, publish, fail
        self._failure, self._links, self._published_ns = None, {}, 0
        self.spawn(asyncio.to_thread(_warm_up))  # the first prices don't wait for the compiler
        for of_venue, instrument in self.feeds:
            venue = instrument.venue
            self._links[venue] = _Link(self, venue, self._opener(of_venue, instrument))
            self.spawn(self._links[venue].run())
        self.spawn(self._tick())
        try:
            while not all(link.reached for link in self._links.values()):
                self._check()
                await asyncio.sleep(_STEP_S)
            if self._account is not None and self._outbox is not None:
                await self._account.start(engine, self._outbox, self.perform)
        except BaseException:
            await self.stop()
            raise
        publish()

    async def play(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Wait for so many seconds, or until `stop()`. Raises what the driver died of, if it did."""
        self._check()
        until_ns = clock.now_ns() + int(seconds * clock.SECOND)
        while not stop() and clock.now_ns() < until_ns:
            await asyncio.sleep(_STEP_S)
            self._check()
        self._publish()

    def catch_up(self) -> None:
        """Judge silence as of now: after a stalled loop no question may see an old moment."""
        self._engine.timer(clock.now_ns())
        self.perform()

    async def stop(self) -> None:
        """Close what `start` opened on this loop. Reports under way arrive; then nothing more happens."""
        if self._loop is not asyncio.get_running_loop():
            return
        if self._account is not None:
            await self._account.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in self._links.values():
            link.end(clock.now_ns())
        self._engine.drain(seconds=10.0)
        self._loop = None
        self._failure = self._failure or EngineClosed("the live market was left; start again for another run")

    def broker(self, paper: Callable[[], PaperBroker]) -> PaperBroker | Outbox:
        return self._outbox or paper()

    def killed(self) -> None:
        if self._account is not None:
            self._account.kill()

    def rearm(self) -> None:
        if self._account is not None:
            self._account.rearm()

    # --- for its links ---

    def spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of this driver. It ends with the driver, and none fails unseen."""
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def perform(self) -> None:
        """What the sessions ask for, each by its own link; orders first."""
        if self._account is not None:
            self._account.perform()
        for venue, effect in self._engine.take_effects():
            link = self._links[venue]
            if isinstance(effect, Send):
                link.send(effect)
            elif isinstance(effect, FetchSnapshot):
                link.fetch(effect)
            elif isinstance(effect, Connect):
                link.reconnect(effect)
        if clock.now_ns() - self._published_ns >= PUBLISH_NS:
            self._published_ns = clock.now_ns()
            self._publish()

    # --- its own ---

    def _listed(self, wanted: Sequence[tuple[str, str]], reach_s: float) -> list[Instrument]:
        """What the venues say of each (venue, symbol), in this order."""
        own = [pair for pair in wanted if pair[0] in self._at]
        found = dict(zip(own, rest.fetch_listed(own, self._at, timeout_s=reach_s), strict=True))
        for venue, feed in self._ccxt.items():
            symbols = [symbol for name, symbol in wanted if name == venue]
            found |= {(venue, i.symbol): i for i in feed.fetch_listed(symbols, timeout_s=reach_s)}
        return [found[pair] for pair in wanted]

    def _codec(self, instruments: Sequence[Instrument]) -> Codec:
        venue = instruments[0].venue
        return self._ccxt[venue].codec(instruments) if venue in self._ccxt else codec(venue, instruments)

    def _opener(self, of_venue: Codec, instrument: Instrument) -> _Opener:
        venue = instrument.venue
        if venue in self._ccxt:
            instruments = self._all_of(venue, [instrument, *self.conversions])
            return lambda: self._ccxt[venue].connect(instruments, self._stream)
        config = _pings(of_venue, self._stream)
        return lambda: connect(venue, self._at[venue].stream, config)

    def _all_of(self, venue: str, instruments: Sequence[Instrument]) -> list[Instrument]:
        return [i for i in instruments if i.venue == venue]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_NS / clock.SECOND)
            if self._account is not None:
                self._account.look()
            self.catch_up()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that fails leaves books unattended: nothing may be working on them."""
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        error = task.exception()
        self._failure = error if isinstance(error, Exception) else EngineClosed(repr(error), error)
        self._fail(self._failure)


def _wanted(
    names: Sequence[str], symbol: str | Mapping[str, str], conversions: Mapping[str, str]
) -> list[tuple[str, str]]:
    """(venue, symbol) of all venues, and then of the conversions."""
    if not isinstance(symbol, str) and set(symbol) != set(names):
        raise ConfigError("symbol", f"given for {', '.join(symbol)}, but the venues are {', '.join(names)}")
    strangers = [venue for venue in conversions if venue not in names]
    if strangers:
        raise ConfigError("conversions", f"{', '.join(strangers)} is not among the venues {', '.join(names)}")
    own = [(venue, symbol if isinstance(symbol, str) else symbol[venue]) for venue in names]
    return [*own, *conversions.items()]


def _warm_up() -> None:
    ladder.warm_up()
    flow.warm_up()


def _pings(of_venue: Codec, config: StreamConfig) -> StreamConfig:
    """Pings of the websocket protocol are for venues with no heartbeat and no ping of their own."""
    return config._replace(ping_s=None) if of_venue.heartbeat or of_venue.ping() is not None else config


class _Link:
    """One venue: at most one connection at a time, and the snapshots asked for over REST."""

    def __init__(self, driver: LiveDriver, venue: str, opener: _Opener) -> None:
        self.reached = False
        """Did a connection ever stand?"""
        self._driver, self._engine, self._venue = driver, driver._engine, venue
        self._opener = opener
        self._stream: Inbox | None = None
        self._fetches: dict[str, asyncio.Task[None]] = {}
        self._wait_ns = 0
        self._asked_ns = 0

    async def run(self) -> None:
        """Connect, listen, and again. Raises VenueUnreachable if the first connection can't be opened."""
        while True:
            wait_ns, self._wait_ns = self._wait_ns, 0
            await asyncio.sleep(wait_ns / clock.SECOND)
            try:
                async with self._opener() as stream:
                    await self._listen(stream)
            except VenueUnreachable as error:
                if not self.reached:
                    raise
                self._closed(error.problem)

    def send(self, effect: Send) -> None:
        if self._stream is not None:
            self._stream.send(effect.text)

    def reconnect(self, effect: Connect) -> None:
        """Not before the effect's delay; the connection that still stands is dropped."""
        self._wait_ns = max(self._wait_ns, effect.delay_ns)
        if self._stream is not None:
            self._stream.drop(effect.reason)

    def fetch(self, effect: FetchSnapshot) -> None:
        """Asked for again, it replaces the request under way."""
        earlier = self._fetches.pop(effect.symbol, None)
        if earlier is not None:
            earlier.cancel()
        self._fetches[effect.symbol] = self._driver.spawn(self._fetch(effect))

    def end(self, now_ns: int) -> None:
        """The driver stops: no book of this venue is to be believed any more."""
        self._stream = None
        self._engine.closed(self._venue, now_ns, "the market was left", 0.0)

    async def _listen(self, stream: Inbox) -> None:
        """Until the connection is gone; the engine hears of that before the socket is closed."""
        self._stream, self.reached = stream, True
        self._engine.opened(self._venue, clock.now_ns(), self._driver._draw())
        self._driver.perform()
        try:
            while True:
                for frame in await stream.receive():
                    if frame.raw == PONG:
                        self._engine.pong(self._venue, frame.recv_ns)
                    else:
                        self._engine.frame(self._venue, frame.raw, frame.recv_ns)
                    self._driver.perform()
        except VenueUnreachable as lost:
            self._closed(lost.problem)

    def _closed(self, reason: str) -> None:
        self._stream = None
        for task in self._fetches.values():
            task.cancel()
        self._fetches.clear()
        self._engine.closed(self._venue, clock.now_ns(), reason, self._driver._draw())
        self._driver.perform()

    async def _fetch(self, effect: FetchSnapshot) -> None:
        now_ns = clock.now_ns()
        self._asked_ns = max(now_ns, self._asked_ns + self._driver._gap_ns)
        await asyncio.sleep((self._asked_ns - now_ns) / clock.SECOND)
        try:
            body = await rest.fetch_snapshot(self._venue, self._driver._at[self._venue].rest + effect.path)
        except VenueUnreachable as error:
            self._wait_ns = max(self._wait_ns, int(error.retry_after_s * clock.SECOND))
            if self._stream is not None:
                self._stream.drop(f"no book snapshot: {error.problem}")
            return
        del self._fetches[effect.symbol]  # what the body leads to may ask again
        self._engine.frame(self._venue, body, clock.now_ns(), effect.symbol)
        self._driver.perform()
