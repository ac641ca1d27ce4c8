"""Tapes: raw frames as they came off the wire, to be replayed through the same code that reads the wire.

One frame a line: receive time in ns since the epoch, one space, the raw bytes. Plain or gzip. The body of a
REST book snapshot stands on its own line. `io.recorder` writes them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from citadel_kit.errors import TapeError
from citadel_kit.types import Frame, Instrument


class TapeFile:
    """The lines of a tape, as (receive time, raw bytes); may be iterated again.

    A last line that was cut off (the recorder was killed) is skipped, and `cut_off` is set; so it is where a
    gzip file lacks its end, though no line may be missing. Any other bad line, and a damaged file, raises
    TapeError, as a missing file does.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.cut_off = Path(path), False
        if not self.path.is_file():
            raise TapeError(str(path), 0, _no_file(self.path))

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        earlier = number = 0
        self.cut_off = False
        with self._open() as file:
            try:
                for number, line in enumerate(_lines(file), 1):
                    stamp, _, raw = line.partition(b" ")
                    if not line.endswith(b"\n"):
                        self.cut_off = True
                        return
                    if not stamp.isdigit() or len(raw) < 2:
                        self._fail(number, f"no receive time and frame: {line[:40]!r}")
                    recv_ns = int(stamp)
                    if recv_ns < earlier:
                        self._fail(number, "receive times run backwards")
                    earlier = recv_ns
                    yield recv_ns, raw[:-1]
            except (zlib.error, gzip.BadGzipFile) as error:
                self._fail(number + 1, f"the gzip file is damaged: {error}")

    def _fail(self, number: int, problem: str) -> NoReturn:
        raise TapeError(str(self.path), number, problem)

    def _open(self) -> IO[bytes]:
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return gzip.open(self.path) if packed else self.path.open("rb")  # type: ignore[return-value]


class Tape:
    """A recorded market of one venue: a `MarketSource`. For what it raises and skips see `TapeFile`.

    The feed of a tape does not include our orders.
    """

    includes_our_orders = False

    def __init__(self, path: str | Path, instrument: Instrument) -> None:
        self._file = TapeFile(path)
        self.wire = instrument.venue
        self.instruments = {instrument.venue: instrument}
        first = next(self.frames(), None)
        if first is None:
            raise TapeError(str(path), 1, "no frame in it")
        self.start_ns = first.recv_ns

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def cut_off(self) -> bool:
        """Was the end missing? Known when the frames were read to their end."""
        return self._file.cut_off

    def frames(self) -> Iterator[Frame]:
        for recv_ns, raw in self._file:
            yield Frame(self.wire, recv_ns, raw)

    def snapshot(self, venue: str, path: str) -> bytes | None:
        """None: the tape's own snapshot lines come with its frames."""
        return None


def _no_file(path: Path) -> str:
    if not path.is_dir():
        return "there is no such file"
    tapes = sorted(each.name for each in path.iterdir() if ".tape" in each.suffixes)
    if not tapes:
        return "this is a directory without a NAME.tape or NAME.tape.gz; name the file that was recorded"
    return f"this is a directory; name one of its tapes: {', '.join(tapes[:10])}"


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines; a gzip file without its end gives a last one without its own."""
    try:
        yield from file
    except EOFError:
        yield b"cut off"
