"""`LocalExchange`: an exchange on loopback, on a thread of its own, for a notebook, a test or a script."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from citadel_kit import clock
from citadel_kit.errors import ConfigError, EngineClosed
from citadel_kit.exchange.build import ExchangeConfig, build_world
from citadel_kit.exchange.dialects import dialect
from citadel_kit.exchange.faults import FaultConfig
from citadel_kit.exchange.latency import Latency
from citadel_kit.exchange.markets import Market
from citadel_kit.exchange.server import Server
from citadel_kit.exchange.venue import Venue
from citadel_kit.io.loops import new_loop
from citadel_kit.venues import Endpoints

T = TypeVar("T")

_WAIT_S: Final = 30.0
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only named here


class LocalExchange:
    """Not an exchange: nothing here is real. A context manager; also `start` and `close`.

    `market`: `synthetic`, `tape:PATH`, `live:VENUE`, or a `Market` made by hand. `latency`, one way: of
    orders on their way there, of answers and reports on their way back (see `Latency.parse`). `config`: the
    other fields of `build.ExchangeConfig`: symbols, balances, seed, fill, faults, …
    Raises what `build.build_world` raises.
    """

    def __init__(
        self,
        market: str | Market = "synthetic",
        venues: Sequence[str] = ("binance",),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: Latency | str = Latency(),  # noqa: B008
        **config: Any,
    ) -> None:
        self.name = f"local-{secrets.token_hex(4)}"
        """Its own: an account here has nothing to do with one at another, on whatever port."""
        one_way = Latency.parse(latency) if isinstance(latency, str) else latency
        self.config = ExchangeConfig(market=market, venues=venues, latency=one_way, **config)
        self.world = build_world(self.config, clock.now_ns(), clock.now_ns)
        self._server = Server(self.world, host=host, port=port)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # --- life ---

    def start(self) -> Self:
        """Raises ConfigError where the port can't be had."""
        if self._thread is not None:
            raise EngineClosed("this exchange was started before; make another one")
        loop = self._loop = new_loop()
        self._thread = threading.Thread(
            target=self._serve, args=(loop,), name="citadel-exchange", daemon=True
        )
        self._thread.start()
        try:
            self._await(self._server.start())
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Leaves no thread and no socket behind. A second call does nothing."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._server.stop(), loop).result(_WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(_WAIT_S)

    def restart(self, down_s: float = 0.0) -> None:
        """Gone for `down_s` seconds, then there again on the same port with the same state."""
        self._await(self._server.restart(down_s))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- addresses ---

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def urls(self) -> dict[str, str]:
        """Base address of each venue's REST API."""
        return {name: self._base("http", name) for name in self.world.venues}

    @property
    def admin_url(self) -> str:
        """A GET of it lists the admin calls, each with an example."""
        return f"http://{self._address()}/admin"

    def endpoints(self, venue: str) -> Endpoints:
        """For the kit's own codecs and drivers."""
        of = dialect(self.venue(venue).dialect)
        return of.endpoints(self._base("http", venue), self._base("ws", venue))

    def ccxt_config(self, venue: str) -> dict[str, Any]:
        """What turns ccxt's class of this venue to this server: URLs, documented options, and the key."""
        of = dialect(self.venue(venue).dialect)
        key = next(iter(self.venue(venue).keys.values()))
        config = of.ccxt_config(self._base("http", venue), self._base("ws", venue))
        return {"apiKey": key.key, "secret": key.secret, **config}

    def ccxt(self, venue: str = "binance", *, pro: bool = False, sync: bool = False, **options: Any) -> Any:
        """A ccxt client: of `ccxt.async_support`, of `ccxt.pro`, or with `sync` of plain `ccxt`. `options` go
        to its constructor. It is the caller's to close."""
        if sync:
            import ccxt as module
        elif pro:
            import ccxt.pro as module
        else:
            import ccxt.async_support as module
        return getattr(module, venue)(_merged(self.ccxt_config(venue), options))

    # --- inside ---

    def venue(self, name: str = "binance") -> Venue:
        """For reading, and for `call`. Raises ConfigError naming the venues there are."""
        if name not in self.world.venues:
            raise ConfigError("venue", f"no venue {name!r}", f"There are: {', '.join(self.world.venues)}")
        return self.world.venues[name]

    def faults(self, venue: str = "binance", **switches: Any) -> FaultConfig:
        """Change these switches and leave the others. Raises ConfigError."""
        of = self.venue(venue)
        return self.call(lambda: of.faults.set(**switches))

    def crash(self, venue: str = "", symbol: str = "", *, fraction: float = 0.05) -> None:
        """A flash crash of the synthetic market from now on, of all venues and symbols where none is named:
        down by `fraction` within four seconds, half of it won back over a minute. Raises ConfigError for an
        unknown one, while the last one still falls, and where the market is a tape or live."""
        self.call(lambda: self.world.crash(fraction, venue=venue, symbol=symbol))

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the exchange's thread, in the present, and wait for what it gives."""

        async def run() -> T:
            while not self.world.turn():
                await asyncio.sleep(0)
            return function()

        return self._await(run())

    def check(self) -> None:
        """Raises EngineClosed where it is not running, or its market failed."""
        if self._loop is None:
            raise EngineClosed("this exchange is not running")
        if self._server.failure is not None:
            raise EngineClosed(f"the exchange's market failed: {self._server.failure}", self._server.failure)

    # --- how ---

    def _base(self, scheme: str, venue: str) -> str:
        return f"{scheme}://{self._address()}/{venue}"

    def _address(self) -> str:
        """Where clients on this machine find it."""
        host = _ANYWHERE.get(self._server.host, self._server.host)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def _await(self, job: Coroutine[Any, Any, T]) -> T:
        try:
            self.check()
        except EngineClosed:
            job.close()
            raise
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(_WAIT_S)

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


def _merged(base: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dicts are merged, other values replaced."""
    out = dict(base)
    for name, value in more.items():
        both = isinstance(value, Mapping) and isinstance(out.get(name), Mapping)
        out[name] = _merged(out[name], value) if both else value
    return out
