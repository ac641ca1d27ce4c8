"""The journal's one writer. The package's docstring says what is on disk when."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Self

from citadel_kit.errors import JournalError, LeaseHeld
from citadel_kit.io.journal import queries
from citadel_kit.io.journal.read import JournalReader
from citadel_kit.io.journal.records import Booked, OpenFamily, OwnOrder
from citadel_kit.io.journal.schema import connect, connect_readonly
from citadel_kit.io.journal.transact import Transactions
from citadel_kit.io.state import LockFile
from citadel_kit.types import (
    Command,
    CommandKind,
    Fill,
    Instrument,
    OrderIntent,
    OrderReport,
    RejectReason,
    ReportKind,
    StopCommand,
    TimeInForce,
    VenueOrder,
    client_id,
)


class Journal:
    """Open for writing by one engine; another, in this process or elsewhere, gets LeaseHeld.

    Calls come from one thread at a time. After a write that failed every later one raises JournalError: the
    engine must place nothing more (it may still cancel), and be started anew.
    """

    def __init__(self, path: str | Path) -> None:
        """Make the file or open it, migrating it where it is of an earlier version.

        Raises JournalError for a damaged or foreign file, LeaseHeld naming the process that writes it.
        """
        self.path = Path(path)
        self.prefix = ""
        """Of the present run; empty before `start_run`."""
        self._instruments: dict[tuple[str, str, int, int], int] = {}
        self._parents: dict[tuple[str, str], tuple[int, str]] = {}
        self._lock = _locked(self.path)
        try:
            self._db = connect(self.path)
        except BaseException:
            self._lock.release()
            raise
        self._lock.write(f"the process {os.getpid()}".encode())
        self._write = Transactions(self._db, str(self.path))

    @staticmethod
    def open_readonly(path: str | Path) -> JournalReader:
        """For a notebook or another process, while the engine writes. Raises JournalError."""
        return JournalReader(connect_readonly(Path(path)))

    # --- said before it is done -----------------------------------------------------------

    def start_run(self, prefix: str, account: str, mode: str, now_ns: int) -> None:
        """The engine's start: before anything else. A prefix serves one run only."""
        row = (prefix, account, mode, os.getpid(), now_ns)
        with self._write.durable():
            self._db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, 0)", row)
        self.prefix = prefix

    def end_run(self, now_ns: int) -> None:
        """The engine's orderly end. A run without one crashed, or still goes on."""
        with self._write.durable():
            self._db.execute("UPDATE runs SET ended_ns = ? WHERE prefix = ?", (now_ns, self.prefix))

    def intent(
        self,
        parent_id: str,
        intent: OrderIntent,
        instrument: Instrument,
        options: Mapping[str, object],
        now_ns: int,
        closes: str = "",
    ) -> None:
        """A parent order, before its first command. `options`: what JSON can hold; no secret belongs there.

        `closes`: of an exit, the entry it closes, as `prefix-parent_id`: their fills are summed up together.
        """
        number, text = self._instrument(instrument), json.dumps(dict(options), default=str)
        side, purpose = int(intent.side), int(intent.purpose)
        row = (self.prefix, parent_id, now_ns, number, side, intent.qty, purpose, intent.forced, text, closes)
        with self._write.rows():
            self._db.execute("INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._parents[self.prefix, parent_id] = (number, closes or f"{self.prefix}-{parent_id}")

    def exit_plan(self, parent_id: str, plan: Mapping[str, object], now_ns: int, prefix: str = "") -> None:
        """Of an entry, before its first command; a later one replaces it, and both are kept. `prefix`: of the
        earlier run that the entry is of."""
        row = (prefix or self.prefix, parent_id, now_ns, json.dumps(dict(plan), default=str))
        with self._write.rows():
            self._db.execute("INSERT INTO exit_plans VALUES (NULL, ?, ?, ?, ?)", row)

    def command(self, parent_id: str, command: Command | StopCommand, now_ns: int, prefix: str = "") -> None:
        """Before it goes out. `prefix`: of an earlier run whose order it is about.

        When it returns, what places or changes an order (PLACE, AMEND, a stop) is on the disk, with all that
        was written before it. A CANCEL or QUERY is with the operating system, which survives our death and
        not a power cut: one that was lost is asked for again, and no guard has to wait for a disk. Each ends
        the transaction of an open batch. Raises JournalError for a PLACE without intent, or with an order id
        that was used.
        """
        prefix = prefix or self.prefix
        name = client_id(prefix, parent_id, command.order_id)
        if isinstance(command, StopCommand):
            kind, tif, stop_price = CommandKind.PLACE.value, TimeInForce.GTC.value, command.stop_price
        else:
            kind, tif, stop_price = command.kind, command.tif, 0
        what = (command.side, command.price, command.qty, tif)
        places = kind == CommandKind.PLACE
        number, family = self._parent(prefix, parent_id) if places else (0, "")
        with self._write.durable(disk=places or kind == CommandKind.AMEND):
            if places:
                order = (name, prefix, parent_id, command.order_id, family, number, *what)
                self._db.execute(queries.NEW_ORDER, (*order, "sent", "", now_ns, now_ns))
            else:
                self._db.execute("UPDATE orders SET last_ns = ? WHERE client_id = ?", (now_ns, name))
            row = (name, now_ns, kind, *what, stop_price)
            self._db.execute("INSERT INTO commands VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def guard(self, kind: str, text: str, now_ns: int) -> None:
        """A trip, a kill or an arming, before it takes effect. `kind`: `trip`, `flatten`, `calm`, `kill`,
        `arm`, or another.

        It does not wait for the disk: nor may what a guard cancels.
        """
        with self._write.durable(disk=False):
            self._db.execute("INSERT INTO events VALUES (NULL, ?, ?, ?)", (now_ns, kind, text))

    # --- what came back -------------------------------------------------------------------

    def batch(self) -> AbstractContextManager[None]:
        """Reports and fills of one event in one transaction: committed at the end, or by a `command`."""
        return self._write.batch()

    def report(self, parent_id: str, report: OrderReport, prefix: str = "", venue_order_id: str = "") -> None:
        """Any report, before it is acted on.

        `venue_order_id`: as soon as the broker knows it; where a venue's trades don't name our client id, it
        is what makes a late one ours.
        """
        name = client_id(prefix or self.prefix, parent_id, report.order_id)
        r = report
        rests = r.kind in _RESTS
        # A rejected duplicate is no end: an order of this id exists.
        gone = r.kind == ReportKind.CANCELED or (
            r.kind == ReportKind.REJECT and r.reason != RejectReason.DUPLICATE
        )
        with self._write.rows():
            row = (name, r.recv_ns, r.kind, r.price, r.qty, r.filled, r.maker, r.reason)
            self._db.execute("INSERT INTO reports VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            values = {
                "name": name,
                "at": r.recv_ns,
                "price": r.price if rests else 0,
                "qty": r.qty if rests else 0,
                "filled": r.filled,
                "gone": gone,
                "alive": r.kind == ReportKind.STATE,
                "status": _STATUS.get(ReportKind(r.kind), ""),
                "venue_id": venue_order_id,
            }
            self._db.execute(queries.ON_REPORT, values)

    def fill(
        self, fill: Fill, filled: int, trade_id: str = "", prefix: str = "", bid: int = 0, ask: int = 0
    ) -> bool:
        """Book it, once; False where it was booked before. Nothing may count a fill that this refused.

        `filled`: its order's total after it, by the venue. A fill whose piece of the order overlaps one that
        is booked is refused: if it brought more than that one, reconciliation finds what is missing.
        `bid`, `ask`: of the venue's book when it came, for the report; 0: not known.
        """
        name = client_id(prefix or self.prefix, fill.parent_id, fill.order_id)
        with self._write.rows():
            piece = (name, filled - fill.qty, filled)
            clash = self._db.execute(
                "SELECT 1 FROM fills WHERE client_id = ? AND filled > ? AND filled - qty < ?", piece
            )
            if clash.fetchone():
                return False
            f = fill
            row = (name, f.recv_ns, trade_id, f.price, f.qty, filled, f.maker, f.fee, f.base_fee, bid, ask)
            self._db.execute("INSERT INTO fills VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            values = {"name": name, "at": fill.recv_ns, "qty": fill.qty, "filled": filled}
            self._db.execute(queries.ON_FILL, values)
        return True

    def found(
        self, order: VenueOrder, prefix: str, parent_id: str, order_id: int, instrument: Instrument
    ) -> None:
        """An order of ours that this journal has no row of: its journal was lost, or is another one."""
        number, family = self._instrument(instrument), f"{prefix}-{parent_id}"
        name, what = order.client_id, (order.side, order.price, order.qty, 0)
        at_ns = order.created_ns
        row = (name, prefix, parent_id, order_id, family, number, *what, "found", order.venue_order_id)
        with self._write.rows():
            self._db.execute(queries.NEW_ORDER, (*row, at_ns, at_ns))

    def reconciliation(self, venue: str, settled: bool, detail: Mapping[str, object], now_ns: int) -> None:
        row = (now_ns, venue, settled, json.dumps(dict(detail), default=str))
        with self._write.rows():
            self._db.execute("INSERT INTO reconciliations VALUES (NULL, ?, ?, ?, ?)", row)

    # --- what it knows --------------------------------------------------------------------

    def knows(self, name: str) -> bool:
        """Has it a row of the order of this client id?"""
        return bool(self._read("SELECT 1 FROM orders WHERE client_id = ?", (name,)))

    def prefixes(self) -> tuple[str, ...]:
        """Of all runs, oldest first."""
        return tuple(row[0] for row in self._read("SELECT prefix FROM runs ORDER BY started_ns, prefix"))

    def last_guard(self, kind: str = "kill") -> tuple[str, str, int] | None:
        """Kind, text and time of the newest of this kind, or of the `arm` that came after it."""
        newest = "SELECT kind, text, at_ns FROM events WHERE kind IN (?, 'arm') ORDER BY id DESC LIMIT 1"
        rows = self._read(newest, (kind,))
        return rows[0] if rows else None

    def own_orders(self, venue: str, since_ns: int, venue_order_ids: Iterable[str] = ()) -> list[OwnOrder]:
        """Orders that are not settled, those that anything was heard of since `since_ns`, and these."""
        rows = self._read(queries.OWN, (since_ns, json.dumps(list(venue_order_ids)), venue))
        fills: dict[str, list[Booked]] = {row[0]: [] for row in rows}
        for name, *piece in self._read(queries.FILLS_OF, (json.dumps(list(fills)),)):
            fills[name].append(Booked(*piece))
        return [OwnOrder._make((*row, tuple(fills[row[0]]))) for row in rows]

    def open_families(self, venue: str) -> list[OpenFamily]:
        """Entries whose fills, with those of their stops and exits, don't add up to nothing; oldest first."""
        return [OpenFamily(*row) for row in self._read(queries.OPEN, (venue,))]

    def closed_by_hand(self, venue: str, symbol: str) -> int:
        """Signed sum of what exits and reductions of no plan have filled, over all runs."""
        return int(self._read(queries.BY_HAND, (venue, symbol))[0][0])

    def check_owner(self, account: str, mode: str) -> None:
        """Raises JournalError where another account, or another mode of it, has written this journal."""
        for name, was in self._read("SELECT DISTINCT account, mode FROM runs"):
            if (name, was) != (account, mode):
                what = f"it belongs to account {name!r}, {was}, and is asked for by {account!r}, {mode}"
                raise JournalError(str(self.path), what, "Name another file: positions would be mixed up")

    def checkpoint(self) -> None:
        """Move the WAL into the file, which may take some 10 ms: to be called when nothing is at work."""
        self._read("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """May be called again."""
        self._db.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- inside ---------------------------------------------------------------------------

    def _parent(self, prefix: str, parent_id: str) -> tuple[int, str]:
        """Instrument and family. Raises JournalError where there is no intent."""
        known = self._parents.get((prefix, parent_id))
        if known is None:
            raise JournalError(str(self.path), f"order {parent_id!r} has no intent", "Write it first")
        return known

    def _instrument(self, i: Instrument) -> int:
        key = (i.venue, i.symbol, i.price_decimals, i.qty_decimals)
        if key not in self._instruments:
            with self._write.rows():
                self._db.execute("INSERT OR IGNORE INTO instruments VALUES (NULL, ?, ?, ?, ?)", key)
            key_of = "(venue, symbol, price_decimals, qty_decimals)"
            found = self._read(f"SELECT id FROM instruments WHERE {key_of} = (?, ?, ?, ?)", key)  # noqa: S608
            self._instruments[key] = found[0][0]
        return self._instruments[key]

    def _read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(str(self.path), f"can't be read: {error}") from error


def _locked(path: Path) -> LockFile:
    beside = path.with_name(f"{path.name}.lock")
    try:
        return LockFile(beside)
    except BlockingIOError as error:
        raise LeaseHeld(f"journal {path}", beside.read_text("utf-8") or "another process") from error
    except OSError as error:
        raise JournalError(str(path), f"can't be written: {error.strerror or error}") from error


_RESTS: Final = frozenset({ReportKind.ACK, ReportKind.AMENDED, ReportKind.STATE})
"""After these the order rests at their price and quantity, where they name one."""
_STATUS: Final = {
    ReportKind.ACK: "resting",
    ReportKind.REJECT: "rejected",
    ReportKind.FILL: "resting",
    ReportKind.CANCELED: "cancelled",
    ReportKind.AMENDED: "resting",
    ReportKind.UNKNOWN: "unknown",
    ReportKind.STATE: "resting",
}
