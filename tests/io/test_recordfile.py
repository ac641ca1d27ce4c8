"""Files of records: what was written is read, and a cut-off end costs no more than itself."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from citadel_kit.errors import DataError
from citadel_kit.io.recordfile import RecordFile, RecordWriter


def some(count: int) -> list[bytes]:
    draw = random.Random(1)
    return [draw.randbytes(draw.choice((0, 1, 30, 2_000))) for _ in range(count)]


def written(path: Path, records: list[bytes], flush_every: int = 7) -> Path:
    writer = RecordWriter(path)
    for number, record in enumerate(records):
        writer.write(record)
        if number % flush_every == 0:
            writer.flush()
    writer.close()
    assert not writer.problem
    return path


def test_every_record_comes_back_in_order(tmp_path: Path) -> None:
    records = some(500)
    file = RecordFile(written(tmp_path / "new" / "a.inputs", records))
    assert list(file) == records
    assert list(file) == records, "a second time"
    assert not file.cut_off
    assert not [t for t in threading.enumerate() if t.name.endswith("a.inputs")]


def test_cut_off_anywhere_a_beginning_is_left_and_it_is_said(tmp_path: Path) -> None:
    records = some(40)
    whole = written(tmp_path / "a", records).read_bytes()
    seen = set()
    for length in range(0, len(whole), 97):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:length])
        file = RecordFile(cut)
        found = list(file)
        assert found == records[: len(found)]
        assert file.cut_off
        seen.add(len(found))
    assert max(seen) > 30


def test_what_was_flushed_can_be_read_while_the_file_is_written(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "a")
    try:
        writer.write(b"one")
        writer.flush()
        file = RecordFile(tmp_path / "a")
        while not list(file):
            pass
        assert list(file) == [b"one"]
        assert file.cut_off
    finally:
        writer.close()
        writer.close()


def test_an_existing_file_is_never_written_over_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a", some(10))
    with pytest.raises(DataError, match="can't be written"):
        RecordWriter(path)
    with pytest.raises(DataError, match="no such file"):
        list(RecordFile(tmp_path / "b"))
    path.write_bytes(b"not gzip at all")
    with pytest.raises(DataError, match="damaged"):
        list(RecordFile(path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_ends_the_file_and_not_its_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "open", lambda *_, **__: open("/dev/full", "wb", buffering=0))  # noqa: SIM115
    writer = RecordWriter(tmp_path / "a")
    for _ in range(3):
        writer.write(b"x" * 100_000)
    writer.close()
    assert "No space left" in writer.problem
    writer.write(b"more")
    writer.close()
