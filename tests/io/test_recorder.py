"""What the recorder wrote can be read, whatever happened to it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from citadel_kit.errors import DataError
from citadel_kit.io.recorder import Recorder
from citadel_kit.io.tape import TapeFile

NS = 1_785_641_750_295_158_100


def noise(n: int, size: int) -> bytes:
    """Hardly compressible, without line breaks."""
    return random.Random(n).randbytes(size).hex().encode()


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new" / "folder", "kraken_BTC-USD")
    frames = [(NS + n, b'{"n":%d}' % n) for n in range(1_000)]
    for frame in frames:
        recorder.write(*frame)
    recorder.next_part()
    (path,) = recorder.files
    assert path.name == "kraken_BTC-USD_20260802T033550.295158100Z.tape.gz"
    tape = TapeFile(path)
    assert list(tape) == frames
    assert not tape.cut_off
    assert recorder.frames == 1_000
    assert recorder.bytes == path.stat().st_size


def test_a_part_ends_and_the_next_frame_begins_another(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "x")
    for part in range(3):
        assert recorder.part_ns == -1
        for n in range(10):
            recorder.write(NS + part * 100 + n, b"{}")
        recorder.flush()
        assert recorder.part_ns == NS + part * 100
        assert recorder.part_bytes == recorder.files[-1].stat().st_size
        recorder.next_part()
        recorder.next_part()  # nothing to end
        assert recorder.part_bytes == 0
    assert sorted(recorder.files) == recorder.files == sorted(tmp_path.iterdir())
    assert [len(list(TapeFile(path))) for path in recorder.files] == [10, 10, 10]
    assert recorder.bytes == sum(path.stat().st_size for path in recorder.files)


def test_nothing_written_is_no_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "none", "x")
    recorder.flush()
    recorder.write(NS, b"")
    recorder.next_part()
    assert not (tmp_path / "none").exists()


def test_what_was_flushed_is_readable_at_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "x")
    recorder.write(NS, b"first")
    recorder.flush()
    recorder.write(NS + 1, b"second")
    tape = TapeFile(recorder.files[0])
    assert list(tape) == [(NS, b"first")]
    assert tape.cut_off
    size = tape.path.stat().st_size
    recorder.flush()
    recorder.flush()  # nothing new: nothing is written
    grown = tape.path.stat().st_size
    assert size < grown < size + 40
    assert [raw for _, raw in tape] == [b"first", b"second"]


def test_no_more_than_a_quarter_of_a_megabyte_is_held_back(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "x")
    for n in range(100):
        recorder.write(NS + n, noise(n, 10_000))
        held = n + 1 - len(list(TapeFile(recorder.files[0])))
        assert held * 20_000 <= 2**18 + 20_000


def test_line_breaks_and_late_frames_leave_the_tape_readable(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "x")
    recorder.write(NS, b'{\r\n  "a": [1,\n2]\n}\n')
    recorder.write(NS - 5, b"{}")
    recorder.next_part()
    assert list(TapeFile(recorder.files[0])) == [(NS, b'{    "a": [1, 2] } '), (NS, b"{}")]


def test_it_never_writes_over_a_file(tmp_path: Path) -> None:
    first, second = Recorder(tmp_path, "x"), Recorder(tmp_path, "x")
    first.write(NS, b"{}")
    with pytest.raises(DataError, match=r"can't be written: File exists"):
        second.write(NS, b"{}")


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="can't be written"):
        Recorder(tmp_path / "file" / "below", "x").write(NS, b"{}")


KILLED = """
import sys
from pathlib import Path
from citadel_kit.io.recorder import Recorder
recorder, n = Recorder(Path(sys.argv[1]), "x"), 0
while True:
    recorder.write({ns} + n, b'{{"n":%d,"text":"%d"}}' % (n, n * 7919 % 104729))
    n += 1
    if n % 1000 == 0:
        recorder.flush()
        print(n, flush=True)
"""


def test_after_a_kill_all_that_was_flushed_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED.format(ns=NS), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(30):
            flushed = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    (path,) = tmp_path.iterdir()
    tape = TapeFile(path)
    frames = list(tape)
    assert len(frames) >= flushed >= 30_000
    assert tape.cut_off
    assert frames == [(NS + n, b'{"n":%d,"text":"%d"}' % (n, n * 7919 % 104729)) for n in range(len(frames))]
