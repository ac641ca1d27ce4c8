"""Tapes: raw frames as they came off the wire, to be replayed through the same code that reads the wire.

One frame a line: receive time in ns since the epoch, one space, the raw bytes. Plain or gzip. The body of a
REST book snapshot stands on its own line.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from citadel_kit.errors import TapeError
from citadel_kit.types import Frame, Instrument


class Tape:
    """A recorded market of one venue: a `MarketSource`.

    A last line that was cut off (the recorder was killed) is skipped and `cut_off` is set; any other bad line
    raises TapeError. The feed of a tape does not include our orders.
    """

    includes_our_orders = False

    def __init__(self, path: str | Path, instrument: Instrument) -> None:
        self.path, self.cut_off = Path(path), False
        self.wire = instrument.venue
        self.instruments = {instrument.venue: instrument}
        if not self.path.is_file():
            raise TapeError(str(path), 0, "there is no such file")
        first = next(self.frames(), None)
        if first is None:
            raise TapeError(str(path), 1, "no frame in it")
        self.start_ns = first.recv_ns

    def frames(self) -> Iterator[Frame]:
        venue, earlier = self.wire, 0
        with self._open() as file:
            for number, line in enumerate(_lines(file), 1):
                stamp, _, raw = line.partition(b" ")
                if not line.endswith(b"\n"):
                    self.cut_off = True
                    return
                if not stamp.isdigit() or len(raw) < 2:
                    raise TapeError(str(self.path), number, f"no receive time and frame: {line[:40]!r}")
                recv_ns = int(stamp)
                if recv_ns < earlier:
                    raise TapeError(str(self.path), number, "receive times run backwards")
                earlier = recv_ns
                yield Frame(venue, recv_ns, raw[:-1])

    def snapshot(self, venue: str, path: str) -> bytes | None:
        """None: the tape's own snapshot lines come with its frames."""
        return None

    def _open(self) -> IO[bytes]:
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return gzip.open(self.path) if packed else self.path.open("rb")  # type: ignore[return-value]


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines; what a cut-off gzip member still holds comes as a last line without its end."""
    try:
        yield from file
    except (EOFError, zlib.error):
        yield b"cut off"
