"""`citadel exchange`."""

from __future__ import annotations

import ipaddress
import sys
from pprint import pformat
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from citadel_kit.errors import ConfigError

if TYPE_CHECKING:
    from citadel_kit.exchange.local import LocalExchange

WARNING = """\
**********************************************************************
*  THIS IS NOT AN EXCHANGE. Nothing here is real: no order leaves    *
*  this process, no balance is worth anything. The keys below open   *
*  nothing else. Never give it the keys of a real account.           *
**********************************************************************"""

_OPEN = "WARNING: it listens on {host}: everyone who can reach this machine can use it and switch its faults."


def exchange(
    market: Annotated[
        str, typer.Option(help="synthetic, tape:PATH, or live:binance (its public stream, no key).")
    ] = "synthetic",
    venues: Annotated[
        str, typer.Option(help="binance, bybit, okx, kraken, coinbase; with commas.")
    ] = "binance",
    symbol: Annotated[list[str] | None, typer.Option(help="May be given several times.  [BTC/USDT]")] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 8790,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    seed: Annotated[
        int, typer.Option(min=0, help="Of the synthetic market, the latencies and the faults.")
    ] = 1,
    balance: Annotated[
        list[str] | None, typer.Option(help="As USDT=100000; several times.  [USDT=100000, BTC=1]")
    ] = None,
    fill: Annotated[str, typer.Option(help="queue, or pessimistic: only when traded through.")] = "queue",
    latency: Annotated[
        str, typer.Option(help="One way, in ms: constant:5, uniform:2:8 or lognormal:5:0.5.")
    ] = "constant:0",
    crash_at: Annotated[float | None, typer.Option(help="Seconds to a flash crash.")] = None,
    candles: Annotated[str, typer.Option(help="A Parquet file of real candles from before the start.")] = "",
    tape_venue: Annotated[
        str, typer.Option(help="Where a tape was recorded, if not at the first venue.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Play a tape once, not over and over.")] = False,
    random_faults: Annotated[
        bool, typer.Option("--random-faults", help="About once a minute the first venue has a fault.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0, help="Stop by itself after these; 0: at Ctrl-C.")] = 0.0,
) -> None:
    """A local exchange: the APIs of real venues on this machine, for bots, tests and paper trading.

    Point any client at the addresses it prints: ccxt, Freqtrade, your own. A GET of its admin address lists
    the calls that switch faults on, crash the synthetic market, and restart it.
    """
    from citadel_kit.exchange.faults import random_schedule
    from citadel_kit.exchange.heap import settled
    from citadel_kit.exchange.local import LocalExchange

    names = [name.strip() for name in venues.split(",") if name.strip()]
    local = LocalExchange(
        market,
        names,
        host=host,
        port=port,
        latency=latency,
        symbols=symbol or ["BTC/USDT"],
        seed=seed,
        balances=_balances(balance or ["USDT=100000", "BTC=1"]),
        fill=fill,
        crash_at_s=crash_at,
        candles=candles,
        tape_venue=tape_venue,
        loop=not once,
        faults=random_schedule(seed, 7 * 86_400.0) if random_faults else (),
    )
    try:
        with local, settled():
            if not _is_loopback(host):
                print(_OPEN.format(host=host), file=sys.stderr)
            print(greeting(local), flush=True)
            _wait(local, seconds)
    except KeyboardInterrupt:
        pass


def _wait(local: LocalExchange, seconds: float) -> None:
    """Raises EngineClosed where the market fails meanwhile."""
    never, waited = Event(), 0.0
    while not seconds or waited < seconds:
        step = min(1.0, seconds - waited) if seconds else 1.0
        never.wait(step)
        waited += step
        local.check()


def greeting(local: LocalExchange) -> str:
    """What it is not, where it is, and the lines that point ccxt at it."""
    lines = [WARNING, ""]
    for venue, url in local.urls.items():
        lines += [f"{venue:>9}  {url}", f"{'':>9}  {local.endpoints(venue).stream}"]
    lines += [f"{'admin':>9}  {local.admin_url}", "", "import ccxt"]
    for venue in local.urls:
        lines += [f"{venue} = ccxt.{venue}({pformat(local.ccxt_config(venue), width=100)})"]
    return "\n".join(lines)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _balances(given: list[str]) -> dict[str, float]:
    out = {}
    for text in given:
        asset, _, amount = text.partition("=")
        try:
            out[asset] = float(amount)
        except ValueError:
            raise ConfigError("balance", f"{text!r}", "Write it as USDT=100000") from None
    return out
