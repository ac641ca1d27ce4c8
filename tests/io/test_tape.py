"""Reading tapes: what is skipped, what is refused, and where."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from citadel_kit.errors import TapeError
from citadel_kit.io.tape import Tape, TapeFile
from citadel_kit.types import Frame, Instrument

BTC = Instrument(venue="binance", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=5)
LINES = [(1_000 + n // 2, b'{"n":%d,"text":"a b"}' % n) for n in range(300)]
TEXT = b"".join(b"%d %s\n" % line for line in LINES)


def written(tmp_path: Path, content: bytes, name: str = "x.tape") -> TapeFile:
    path = tmp_path / name
    path.write_bytes(content)
    return TapeFile(path)


@pytest.mark.parametrize("pack", [lambda text: text, gzip.compress], ids=["plain", "gzip"])
def test_lines_come_as_they_are_and_again(tmp_path: Path, pack: object) -> None:
    tape = written(tmp_path, pack(TEXT))  # type: ignore[operator]
    assert list(tape) == list(tape) == LINES
    assert not tape.cut_off


def test_several_gzip_members_are_one_tape(tmp_path: Path) -> None:
    half = TEXT.index(b"\n", len(TEXT) // 2) + 1
    assert list(written(tmp_path, gzip.compress(TEXT[:half]) + gzip.compress(TEXT[half:]))) == LINES


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_plain_tape_cut_anywhere_loses_its_last_line_only(tmp_path: Path, cut: int) -> None:
    rest = TEXT[:-cut]
    tape = written(tmp_path, rest)
    assert list(tape) == LINES[: rest.count(b"\n")]
    assert tape.cut_off == (not rest.endswith(b"\n"))


def test_a_gzip_tape_cut_anywhere_gives_whole_lines_and_says_so(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT[:3_000], 1)
    lengths = set()
    for size in range(1, len(packed)):
        tape = written(tmp_path, packed[:size])
        lines = list(tape)
        assert lines == LINES[: len(lines)]
        assert tape.cut_off, size
        lengths.add(len(lines))
    assert len(lengths) > 10, "otherwise nothing was cut in the middle"


def test_a_cut_is_forgotten_when_the_file_was_mended(tmp_path: Path) -> None:
    tape = written(tmp_path, TEXT[:-1])
    assert len(list(tape)) == len(LINES) - 1
    written(tmp_path, TEXT)
    assert list(tape) == LINES
    assert not tape.cut_off


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"1002\n", "no receive time and frame: b'1002"),
        (b"1002 \n", "no receive time and frame"),
        (b"\n", "no receive time and frame"),
        (b"soon {}\n", "no receive time and frame: b'soon {}"),
        (b"-5 {}\n", "no receive time and frame"),
        (b"999 {}\n", "receive times run backwards"),
    ],
)
def test_any_other_bad_line_is_named(tmp_path: Path, bad: bytes, problem: str) -> None:
    tape = written(tmp_path, b"1001 {}\n" + bad + b"1003 {}\n")
    with pytest.raises(TapeError, match=problem) as caught:
        list(tape)
    assert caught.value.line == 2
    assert caught.value.path == str(tape.path)


def test_a_damaged_gzip_file_is_no_cut_off_one(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT, 1))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(TapeError, match="the gzip file is damaged"):
        list(written(tmp_path, bytes(packed)))
    with pytest.raises(TapeError, match="the gzip file is damaged"):
        list(written(tmp_path, gzip.compress(TEXT) + b"what follows is no gzip"))


def test_a_missing_file_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="there is no such file"):
        TapeFile(tmp_path / "none")
    with pytest.raises(TapeError, match="no frame in it"):
        Tape(written(tmp_path, b"").path, BTC)
    with pytest.raises(TapeError, match="no frame in it"):
        Tape(written(tmp_path, b"1001 {").path, BTC)


def test_as_a_market(tmp_path: Path) -> None:
    tape = Tape(written(tmp_path, TEXT + b"2000 {").path, BTC)
    assert tape.start_ns == 1_000
    assert list(tape.frames()) == [Frame("binance", *line) for line in LINES]
    assert tape.cut_off
    assert (tape.wire, tape.instruments) == ("binance", {"binance": BTC})
    assert tape.snapshot("binance", "/depth") is None
