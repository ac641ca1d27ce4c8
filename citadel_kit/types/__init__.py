"""The vocabulary: records that cross module borders, and the protocols that join the layers.

Prices and quantities are integers in everything that decides or compares: a price is in units of
`10**-price_decimals` of its `Instrument`, a quantity in `10**-qty_decimals`. Times are nanoseconds since the
epoch: `exch_ns` by the venue's clock (0 where a stream has none), `recv_ns` by ours. Ages use ours only.
Where a stream has no sequence, `seq` is -1.

Records that a hot path or a compiled replay touches are `NamedTuple`s of scalars; their integer fields hold
the values of the `IntEnum`s below as plain ints, since Numba unifies one type per field.
"""

from __future__ import annotations

from citadel_kit.types.market import (
    Ack,
    BookReader,
    BookTop,
    BookUpdate,
    Codec,
    ConnectionSeq,
    Event,
    FeedState,
    Frame,
    Heartbeat,
    Instrument,
    Levels,
    Link,
    MarketSource,
    Quote,
    Shutdown,
    Side,
    Trade,
    Unknown,
    to_units,
)
from citadel_kit.types.orders import (
    NO_COMMAND,
    Broker,
    Command,
    CommandKind,
    Fill,
    OrderIntent,
    OrderReport,
    Purpose,
    RejectReason,
    ReportKind,
    TimeInForce,
)
from citadel_kit.types.signals import (
    MacroSignal,
    Memory,
    Regime,
    Weather,
)
from citadel_kit.types.views import (
    GlobalQuote,
    MicroSnapshot,
    Opportunity,
    OrderView,
    VenueView,
    Verdict,
)

__all__ = [
    "Ack",
    "BookReader",
    "BookTop",
    "BookUpdate",
    "Broker",
    "Codec",
    "Command",
    "CommandKind",
    "ConnectionSeq",
    "Event",
    "FeedState",
    "Fill",
    "Frame",
    "GlobalQuote",
    "Heartbeat",
    "Instrument",
    "Levels",
    "Link",
    "MacroSignal",
    "MarketSource",
    "Memory",
    "MicroSnapshot",
    "NO_COMMAND",
    "Opportunity",
    "OrderIntent",
    "OrderReport",
    "OrderView",
    "Purpose",
    "Quote",
    "Regime",
    "RejectReason",
    "ReportKind",
    "Shutdown",
    "Side",
    "TimeInForce",
    "Trade",
    "Unknown",
    "VenueView",
    "Verdict",
    "Weather",
    "to_units",
]
