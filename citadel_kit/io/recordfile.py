"""A gzip file of byte records, written beside whoever makes them, readable whatever becomes of the process.

A record is its length, four bytes, big-endian, and its bytes.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from citadel_kit.errors import DataError

_GZIP: Final = 31
"""For zlib: the largest window, with the header and trailer of gzip."""
_PIECE: Final = 1 << 16
_MOST: Final = 64 * 2**20
"""Bytes that wait for the disk; with more the file is given up rather than its writer held up."""


class RecordWriter:
    """Always a new file. Raises DataError where it can't be made, or is there already.

    `write` and `flush` only hand on: packing and the disk are a thread's own business, so that an event loop
    is never held up by them, nor by the interpreter's lock that they would give away. What was flushed before
    a `kill -9` can be read but for the last moment. `problem` says why the file was given up, if it was.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.problem = Path(path), ""
        self._pending = bytearray()
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._waiting = self._taken = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb")
        except OSError as error:
            raise DataError(f"{self.path} can't be written: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._work, name=f"citadel-{self.path.name}", daemon=True)
        self._thread.start()

    def write(self, record: bytes) -> None:
        self._pending += len(record).to_bytes(4, "big")
        self._pending += record
        if len(self._pending) >= _PIECE:
            self.flush()

    def flush(self) -> None:
        """Hand on what was written; to be called every tenth of a second or so."""
        if not self._pending or self.problem:
            self._pending.clear()
            return
        self._waiting += len(self._pending)
        if self._waiting - self._taken > _MOST:
            self.problem = f"{self.path}: the disk is too slow"
        self._queue.put(bytes(self._pending))
        self._pending.clear()

    def close(self) -> None:
        """All of it is on disk then. A second call does nothing."""
        self.flush()
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
        try:
            with self._file as file:
                while (piece := self._queue.get()) is not None:
                    file.write(packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH))
                    file.flush()
                    self._taken += len(piece)
                file.write(packer.flush(zlib.Z_FINISH))
        except OSError as error:
            self.problem = f"{self.path} can't be written: {error.strerror or error}"


class RecordFile:
    """The records of a file; may be iterated again. Raises DataError for a missing or damaged one.

    What is cut off at the end is left out, and then `cut_off` is set.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.cut_off = Path(path), False
        if not self.path.is_file():
            raise DataError(f"{self.path}: there is no such file")

    def __iter__(self) -> Iterator[bytes]:
        unpacker, waiting = zlib.decompressobj(_GZIP), bytearray()
        with self.path.open("rb") as file:
            while packed := file.read(_PIECE):
                try:
                    waiting += unpacker.decompress(packed)
                except zlib.error as error:
                    raise DataError(f"{self.path} is damaged: {error}") from error
                done = 0
                while len(waiting) >= done + 4:
                    end = done + 4 + int.from_bytes(waiting[done : done + 4], "big")
                    if end > len(waiting):
                        break
                    yield bytes(waiting[done + 4 : end])
                    done = end
                del waiting[:done]
        self.cut_off = not unpacker.eof or bool(waiting)
