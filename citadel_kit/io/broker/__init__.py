"""Live orders through ccxt: places, amends, cancels and asks; reports what the venue says, each fact once.

How an engine uses it, on its own loop:

    keys = load_keys("binance")  # CITADEL_BINANCE_KEY, CITADEL_BINANCE_SECRET
    armed = await arm_live("binance", keys, arm="LIVE", limits={"per order": "500 USDT"})
    broker = CcxtBroker("binance", [btc], on_report, prefix=lease.prefix, keys=armed, on_trade=on_trade)
    await broker.start()
    …  # reconcile with `open_orders`, `order`, `trades`; `adopt` what an earlier run left
    broker.send("binance", "p1", command, now_ns)  # returns at once; the answers come to on_report
    …
    await broker.close()

Against a local exchange there is nothing to arm: `keys=Keys.of(…)`, `at=exchange.ccxt_config("binance")`. The
chase takes its `amend` from `capabilities(venue)`. Journal what `on_trade` gets before the FILL report that
follows it: there the fill has its trade id and its fee.

What a report rests on. Answers to requests, the order and fill streams of ccxt.pro, and looks by REST all
feed one `track.Tracker`; the first to tell a fact has it reported, the others change nothing. The streams are
quick and trusted for nothing: an order whose fills don't add up to its total, or that nobody has shown yet,
is looked at after `wait_s`; each open order every `poll_s` while a stream is down, and every `slow_s` in any
case. So what happened while a stream was away is found by order, not by time: no wrong "since" can miss it.

A request without an answer is UNKNOWN and never sent again. A QUERY asks for the order by its client id; that
it isn't there counts only when its PLACE can take effect no more: when the receive window that was signed
into it has passed since we stopped waiting. Orders go out by REST: what the websocket's order calls save on a
warm connection is a fraction of a millisecond, and the looks keep the connection warm.
"""

from citadel_kit.io.broker.arming import Armed, Permissions, arm_live, ask_permissions
from citadel_kit.io.broker.broker import CcxtBroker, OnReport, OnTrade
from citadel_kit.io.broker.capabilities import Capabilities, capabilities
from citadel_kit.io.broker.config import BrokerConfig, Health

__all__ = [
    "Armed",
    "BrokerConfig",
    "Capabilities",
    "CcxtBroker",
    "Health",
    "OnReport",
    "OnTrade",
    "Permissions",
    "arm_live",
    "ask_permissions",
    "capabilities",
]
