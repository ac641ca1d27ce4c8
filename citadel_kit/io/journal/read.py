"""The journal for people: data frames with UTC times, floats and words."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Self

from citadel_kit.types import CommandKind, Purpose, RejectReason, ReportKind, Side, TimeInForce

if TYPE_CHECKING:
    import pandas as pd

_WORDS: Final = {
    "side": {int(s): s.name for s in Side},
    "tif": {int(t): t.name for t in TimeInForce},
    "purpose": {int(p): p.name for p in Purpose},
    "command": {int(k): k.name for k in CommandKind},
    "report": {int(k): k.name for k in ReportKind},
    "reason": {int(r): r.name for r in RejectReason},
}


class JournalReader:
    """Each call shows the journal as of now; nothing it does holds the writer up.

    Prices and quantities are floats in the venue's own units: for display and metrics only. A price of 0
    (none) is NaN. Use one per thread at a time.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def orders(self) -> pd.DataFrame:
        """One row per client id. `status`: sent, resting, unknown, filled, cancelled, rejected or found.

        `filled` is what was booked, `claimed` the most that any report said.
        """
        return self._frame(_ORDERS)

    def fills(self) -> pd.DataFrame:
        """In the order they were booked. `fee` in the quote currency, `total` the order's filled after it;
        `bid` and `ask` of the venue's book when it came, NaN where nobody looked."""
        return self._frame(_FILLS)

    def commands(self) -> pd.DataFrame:
        """In the order they were written, before each went out."""
        return self._frame(_COMMANDS)

    def reports(self) -> pd.DataFrame:
        """What brokers said, in the order it came."""
        return self._frame(_REPORTS)

    def intents(self) -> pd.DataFrame:
        """Parent orders, with the newest exit plan of each."""
        return self._frame(_INTENTS)

    def runs(self) -> pd.DataFrame:
        """Engine runs. One without `ended` crashed, or goes on."""
        return self._frame(
            "SELECT prefix, account, mode, pid, started_ns AS started, ended_ns AS ended FROM runs "
            "ORDER BY started_ns, prefix"
        )

    def events(self) -> pd.DataFrame:
        """Trips, kills and armings."""
        return self._frame("SELECT at_ns AS at, kind, text FROM events ORDER BY id")

    def reconciliations(self) -> pd.DataFrame:
        """`settled`: nothing was left open by it. `detail` is JSON."""
        return self._frame("SELECT at_ns AS at, venue, settled, detail FROM reconciliations ORDER BY id")

    def close(self) -> None:
        """May be called again."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _frame(self, sql: str) -> pd.DataFrame:
        import pandas as pd  # only a reader needs it, and it takes half a second

        cursor = self._db.execute(sql)
        names = [column[0] for column in cursor.description]
        return _for_people(pd.DataFrame(cursor.fetchall(), columns=names))


def _for_people(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    for scale, names in (("price_decimals", _PRICES), ("qty_decimals", _QUANTITIES)):
        for name in _both(names, frame):
            if scale in frame:
                frame[name] = frame[name].astype(float) / 10.0 ** frame[scale].astype(float)
    for name in _both(_PRICES, frame):
        frame[name] = frame[name].where(frame[name] != 0)
    for name in _both(_TIMES, frame):
        stamps = frame[name].astype("int64")
        frame[name] = pd.to_datetime(stamps.where(stamps != 0), utc=True, unit="ns")
    for name in _both(_FLAGS, frame):
        frame[name] = frame[name].astype(bool)
    for name in _both(tuple(_WORDS), frame):
        frame[name] = frame[name].map(_WORDS[name])
    return frame.drop(columns=_both(("price_decimals", "qty_decimals"), frame))


def _both(names: Sequence[str], frame: pd.DataFrame) -> list[str]:
    return [name for name in names if name in frame]


_PRICES: Final = ("price", "stop_price", "bid", "ask")
_QUANTITIES: Final = ("qty", "filled", "claimed", "total")
_TIMES: Final = ("at", "placed", "last", "started", "ended")
_FLAGS: Final = ("maker", "forced", "settled")

# Columns are named as people know them; `_for_people` finds by name what is to be scaled or put in words.
_ORDERS: Final = """
SELECT client_id, prefix, parent_id, order_id, venue, symbol, side, price, qty, tif, status, booked AS filled,
  claimed, venue_order_id, placed_ns AS placed, last_ns AS last, price_decimals, qty_decimals
FROM orders JOIN instruments ON instruments.id = orders.instrument ORDER BY placed_ns, client_id"""
_FILLS: Final = """
SELECT recv_ns AS at, client_id, prefix, parent_id, order_id, venue, symbol, side, f.price, f.qty,
  f.filled AS total, maker, fee, bid, ask, trade_id, price_decimals, qty_decimals
FROM fills f JOIN orders USING (client_id) JOIN instruments ON instruments.id = orders.instrument
ORDER BY f.id"""
_COMMANDS: Final = """
SELECT at_ns AS at, kind AS command, client_id, prefix, parent_id, order_id, venue, symbol, c.side, c.price,
  stop_price, c.qty, c.tif, price_decimals, qty_decimals
FROM commands c JOIN orders USING (client_id) JOIN instruments ON instruments.id = orders.instrument
ORDER BY c.id"""
_REPORTS: Final = """
SELECT recv_ns AS at, kind AS report, reason, client_id, prefix, parent_id, order_id, venue, symbol, r.price,
  r.qty, r.filled, maker, price_decimals, qty_decimals
FROM reports r JOIN orders USING (client_id) JOIN instruments ON instruments.id = orders.instrument
ORDER BY r.id"""
_INTENTS: Final = """
SELECT at_ns AS at, prefix, parent_id, venue, symbol, side, qty, purpose, forced, options, closes,
  (SELECT plan FROM exit_plans e WHERE e.prefix = i.prefix AND e.parent_id = i.parent_id
   ORDER BY e.id DESC LIMIT 1) AS exit_plan, price_decimals, qty_decimals
FROM intents i JOIN instruments ON instruments.id = i.instrument ORDER BY at_ns, parent_id"""
