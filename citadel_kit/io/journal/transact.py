"""Transactions of the journal's writer: one a row, one a batch, or one on the disk before it returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from citadel_kit.errors import JournalError


class Transactions:
    """All writes of one connection. After one that failed there are no more: what is on file stands."""

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self._db, self._path = db, path
        self._failed, self._depth = "", 0
        db.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def batch(self) -> Iterator[None]:
        """The rows within are committed together, at its end or by the next `durable` row."""
        self._depth += 1
        try:
            yield
        finally:  # also after an exception: the rows are facts
            self._depth -= 1
            if self._depth == 0:
                self._commit()

    @contextmanager
    def rows(self) -> Iterator[None]:
        """Committed at the end, or with the batch: they outlive this process, not a power cut."""
        self._begin()
        with self._undone_on_error():
            yield
            if self._depth == 0:
                self._commit()

    @contextmanager
    def durable(self, *, disk: bool = True) -> Iterator[None]:
        """Rows of their own transaction, after all earlier ones. `disk`: they outlive a power cut."""
        self._commit()
        with self._undone_on_error():  # the setting can't be changed within a transaction
            self._db.execute(f"PRAGMA synchronous = {'FULL' if disk else 'NORMAL'}")
        self._begin()
        with self._undone_on_error():
            yield
            self._commit()
            if disk:
                self._db.execute("PRAGMA synchronous = NORMAL")

    def _begin(self) -> None:
        if self._failed:
            raise JournalError(self._path, f"it failed before: {self._failed}", "Start the engine anew")
        with self._undone_on_error():
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        with self._undone_on_error():
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    @contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        try:
            yield
        except JournalError:
            raise
        except (sqlite3.Error, OverflowError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        self._failed = str(error)
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the first error is the one to tell
        raise JournalError(self._path, f"can't be written: {error}", "Place nothing more") from error
