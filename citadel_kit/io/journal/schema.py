"""The journal's tables, and the file they are in: made, checked, migrated.

Logs are only ever added to: `runs`, `intents`, `exit_plans`, `commands`, `reports`, `fills`, `events`,
`reconciliations`. `orders` is what the logs add up to, one row per client id, kept in the same transactions.
Prices and quantities are integers; `instruments` holds their scales. Times are ns since the epoch.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from citadel_kit.errors import JournalError

VERSION: Final = 2
_APPLICATION_ID: Final = 0x63_6B_4A_4E
"""In the header of the file: it is a journal of this kit."""

_TABLES: Final = """
CREATE TABLE runs (prefix TEXT PRIMARY KEY, account TEXT NOT NULL, mode TEXT NOT NULL, pid INTEGER NOT NULL,
  started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE instruments (id INTEGER PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL,
  price_decimals INTEGER NOT NULL, qty_decimals INTEGER NOT NULL,
  UNIQUE (venue, symbol, price_decimals, qty_decimals));
CREATE TABLE intents (prefix TEXT NOT NULL, parent_id TEXT NOT NULL, at_ns INTEGER NOT NULL,
  instrument INTEGER NOT NULL REFERENCES instruments, side INTEGER NOT NULL, qty INTEGER NOT NULL,
  purpose INTEGER NOT NULL, forced INTEGER NOT NULL, options TEXT NOT NULL, closes TEXT NOT NULL,
  PRIMARY KEY (prefix, parent_id)) WITHOUT ROWID;
CREATE TABLE exit_plans (id INTEGER PRIMARY KEY, prefix TEXT NOT NULL, parent_id TEXT NOT NULL,
  at_ns INTEGER NOT NULL, plan TEXT NOT NULL);
CREATE TABLE commands (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, at_ns INTEGER NOT NULL,
  kind INTEGER NOT NULL, side INTEGER NOT NULL, price INTEGER NOT NULL, qty INTEGER NOT NULL,
  tif INTEGER NOT NULL, stop_price INTEGER NOT NULL);
CREATE TABLE reports (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, recv_ns INTEGER NOT NULL,
  kind INTEGER NOT NULL, price INTEGER NOT NULL, qty INTEGER NOT NULL, filled INTEGER NOT NULL,
  maker INTEGER NOT NULL, reason INTEGER NOT NULL);
CREATE TABLE fills (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, recv_ns INTEGER NOT NULL,
  trade_id TEXT NOT NULL, price INTEGER NOT NULL, qty INTEGER NOT NULL, filled INTEGER NOT NULL,
  maker INTEGER NOT NULL, fee REAL, base_fee INTEGER NOT NULL DEFAULT 0, bid INTEGER NOT NULL DEFAULT 0,
  ask INTEGER NOT NULL DEFAULT 0, UNIQUE (client_id, filled));
CREATE TABLE events (id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE reconciliations (id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, venue TEXT NOT NULL,
  settled INTEGER NOT NULL, detail TEXT NOT NULL);
CREATE TABLE orders (client_id TEXT PRIMARY KEY, prefix TEXT NOT NULL, parent_id TEXT NOT NULL,
  order_id INTEGER NOT NULL, family TEXT NOT NULL, instrument INTEGER NOT NULL REFERENCES instruments,
  side INTEGER NOT NULL, price INTEGER NOT NULL, qty INTEGER NOT NULL, tif INTEGER NOT NULL,
  booked INTEGER NOT NULL, claimed INTEGER NOT NULL, done INTEGER NOT NULL, status TEXT NOT NULL,
  venue_order_id TEXT NOT NULL, placed_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX commands_of ON commands (client_id);
CREATE INDEX reports_of ON reports (client_id);
CREATE INDEX orders_unsettled ON orders (placed_ns) WHERE done = 0 OR booked < claimed;
CREATE INDEX orders_recent ON orders (last_ns);
CREATE INDEX orders_family ON orders (family);
CREATE INDEX orders_at_venue ON orders (venue_order_id) WHERE venue_order_id <> '';
"""
_MIGRATIONS: Final = {
    1: """
ALTER TABLE commands ADD COLUMN stop_price INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN closes TEXT NOT NULL DEFAULT '';
ALTER TABLE fills ADD COLUMN base_fee INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fills ADD COLUMN bid INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fills ADD COLUMN ask INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN family TEXT NOT NULL DEFAULT '';
UPDATE orders SET family = prefix || '-' || parent_id;
CREATE INDEX orders_family ON orders (family);
""",
}
"""By the version they start from."""


def connect(path: Path) -> sqlite3.Connection:
    """The writer's connection: every file in order is made, or brought to `VERSION`. Raises JournalError."""
    db = _opened(path, path.absolute().as_uri())
    try:
        db.execute("PRAGMA busy_timeout = 5000")
        version = _version(db, path)
        if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise JournalError(str(path), "its folder allows no WAL files", "Use a local disk")
        db.execute("PRAGMA wal_autocheckpoint = 10000")
        if version and (fault := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise JournalError(str(path), f"it is damaged: {fault}", _DAMAGED)
        _bring_up(db, version)
    except sqlite3.Error as error:
        db.close()
        raise JournalError(str(path), f"{error}", _DAMAGED) from error
    except JournalError:
        db.close()
        raise
    return db


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Raises JournalError: also where there is no file, or one of another version."""
    db = _opened(path, f"{path.absolute().as_uri()}?mode=ro")
    try:
        db.execute("PRAGMA busy_timeout = 5000")
        version = _version(db, path)
    except sqlite3.Error as error:
        db.close()
        raise JournalError(str(path), f"{error}", _DAMAGED) from error
    except JournalError:
        db.close()
        raise
    if version != VERSION:
        db.close()
        raise JournalError(
            str(path), f"its version is {version}, not {VERSION}", "An engine that opens it migrates it"
        )
    return db


_DAMAGED: Final = "Keep the file, move it away with its -wal file, and reconcile with the venue"


def _opened(path: Path, uri: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise JournalError(str(path), f"{error}", "Does it exist, and may you read it?") from error


def _version(db: sqlite3.Connection, path: Path) -> int:
    """0 for an empty file. Raises JournalError for another program's, or a later version's."""
    try:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise JournalError(str(path), f"it is no journal, or a damaged one: {error}", _DAMAGED) from error
    if application != _APPLICATION_ID and (tables or version or application):
        raise JournalError(str(path), "it is another program's database", "Name another file")
    if version > VERSION:
        raise JournalError(str(path), f"its version is {version}, this kit knows {VERSION}", "Update the kit")
    return version


def _bring_up(db: sqlite3.Connection, version: int) -> None:
    """All or nothing: a crash in the middle leaves the file as it was."""
    if version == VERSION:
        return
    steps = [_TABLES] if version == 0 else [_MIGRATIONS[v] for v in range(version, VERSION)]
    db.execute("BEGIN IMMEDIATE")
    for statement in "".join(steps).split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")
