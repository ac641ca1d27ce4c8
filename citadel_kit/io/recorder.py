"""The writer of tapes: files of limited size, readable whatever becomes of the process that writes them."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from citadel_kit import clock
from citadel_kit.errors import DataError

_GZIP: Final = 31
"""For zlib: the largest window, with the header and trailer of gzip."""
_FLUSH_BYTES: Final = 1 << 18
"""Of raw frames: more than these are never held back."""


class Recorder:
    """Frames of one instrument at one venue into a row of `.tape.gz` files under `folder`.

    A file begins with the first frame after `next_part()`, is named by the time of that frame, and is never
    an existing one. What was written before `flush()` can be read after a `kill -9`; so can all but the last
    256 kB in any case. A file is one gzip stream with flush points in it, so that flushing costs little.

    Receive times never run backwards: a frame handed in late gets the time of the one before it. Line breaks
    between the tokens of a frame become spaces. Raises DataError where nothing can be written.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._file: IO[bytes] | None = None
        self._gzip: Any = None
        self._unflushed = 0
        self._last_ns = 0
        self.frames = 0
        self.bytes = 0
        """On disk, in all files."""
        self.part_bytes = 0
        """On disk, in the file being written."""
        self.part_ns = -1
        """When the first frame of the file being written came; -1 while there is none."""
        self.files: list[Path] = []

    def write(self, recv_ns: int, raw: bytes) -> None:
        self._last_ns = recv_ns = max(recv_ns, self._last_ns)
        if not raw:
            return
        if self._file is None:
            self._begin(recv_ns)
        line = b"%d %s\n" % (recv_ns, raw.replace(b"\r", b" ").replace(b"\n", b" "))
        self._store(self._gzip.compress(line))
        self.frames += 1
        self._unflushed += len(line)
        if self._unflushed >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """To the operating system, which outlives this process."""
        if self._unflushed:
            self._store(self._gzip.flush(zlib.Z_SYNC_FLUSH))
            self._unflushed = 0

    def next_part(self) -> None:
        """End the file; the next frame begins another."""
        if self._file is None:
            return
        self._store(self._gzip.flush(zlib.Z_FINISH))
        self._file.close()
        self._file, self._gzip, self.part_ns, self.part_bytes, self._unflushed = None, None, -1, 0, 0

    def _begin(self, recv_ns: int) -> None:
        stamp = datetime.fromtimestamp(recv_ns // clock.SECOND, UTC).strftime("%Y%m%dT%H%M%S")
        path = self._folder / f"{self._name}_{stamp}.{recv_ns % clock.SECOND:09d}Z.tape.gz"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            self._fail(path, error)
        self._gzip = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        self.part_ns, self.part_bytes = recv_ns, 0
        self.files.append(path)

    def _store(self, packed: bytes) -> None:
        assert self._file is not None
        rest = memoryview(packed)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._fail(self.files[-1], error)
        self.bytes += len(packed)
        self.part_bytes += len(packed)

    def _fail(self, path: Path, error: OSError) -> NoReturn:
        raise DataError(f"{path} can't be written: {error.strerror or error}") from error
