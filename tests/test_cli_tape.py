"""`citadel tape …` and `citadel record`: some as their users run them, the rest within this process."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from local_venue import FRAMES, SNAPSHOT, LocalVenue, black_hole, depth, nobody

from citadel_kit.cli import main
from citadel_kit.io.tape import TapeFile
from citadel_kit.venues import WIRES

ROOT = Path(__file__).parents[1]
COLUMNS = ["recv_ns", "exch_ns", "seq", "bid", "bid_qty", "ask", "ask_qty"]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "citadel_kit.cli", *map(str, words)]


def elsewhere(*words: object, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def citadel(*words: object) -> Done:
    """The same in this process, without the second that the imports take."""
    status = 0
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["citadel", *map(str, words)])
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(status, out.getvalue(), errors.getvalue())


def one_line(text: str) -> bool:
    return text.startswith("citadel: ") and text.count("\n") == 1


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write(tmp_path / "small.tape.gz", [FRAMES[0], SNAPSHOT, *FRAMES[1:]])


def write(path: Path, frames: Sequence[bytes]) -> Path:
    path.write_bytes(gzip.compress(b"".join(b"%d %s\n" % (1_000 + n, raw) for n, raw in enumerate(frames))))
    return path


OF = ("--venue", "binance", "--symbol", "BTC/USDT")

# --- verify and tops --------------------------------------------------------------------------------------


def test_verify_as_json(tape: Path) -> None:
    done = elsewhere("tape", "verify", tape, *OF, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found == {
        **dict.fromkeys(("gaps", "checksums_right", "checksums_wrong", "resyncs", "refused"), 0),
        **dict.fromkeys(("oracle_disagreements", "crossed", "malformed", "unknown", "other_instruments"), 0),
        **{"file": str(tape), "venue": "binance", "symbol": "BTC/USDT", "frames": 8, "book_frames": 4},
        **{"applied": 3, "snapshots": 1, "links_checked": 3, "oracle_agreements": 2, "final_state": "LIVE"},
        **{"cut_off": False, "verified_by": ["sequence", "oracle"], "problems": [], "clean": True},
    }


def test_verify_as_a_table_and_its_exit_status(tmp_path: Path, tape: Path) -> None:
    done = citadel("tape", "verify", tape, *OF)
    assert done.returncode == 0
    for line in ("frames  8", "links checked  3", "final state  LIVE", "clean  yes"):
        assert f"{line}\n" in done.stdout
    lossy = write(tmp_path / "lossy.tape.gz", [SNAPSHOT, FRAMES[1], FRAMES[6]])
    done = citadel("tape", "verify", lossy, *OF)
    assert (done.returncode, done.stderr) == (1, "")
    for line in ("gaps  1", "final state  GAP", "clean  NO"):
        assert f"{line}\n" in done.stdout
    assert "not LIVE  frame 3: " in done.stdout


def test_an_instrument_that_is_not_on_the_tape_is_not_clean(tape: Path) -> None:
    done = citadel("tape", "verify", tape, "--venue", "binance", "--symbol", "ETH/USDT", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["clean"], found["book_frames"]) == (1, False, 0)
    assert found["problems"] == ["no book of ETHUSDT was found. Named there: BTCUSDT"]


def test_a_directory_is_no_tape_and_its_tapes_are_named(tmp_path: Path, tape: Path) -> None:
    done = citadel("tape", "verify", tape.parent, *OF)
    assert (done.returncode, one_line(done.stderr)) == (1, True)
    assert f"this is a directory; name one of its tapes: {tape.name}" in done.stderr
    (tmp_path / "empty").mkdir()
    assert "without a NAME.tape or NAME.tape.gz" in citadel("tape", "verify", tmp_path / "empty", *OF).stderr


def test_the_rule_of_clean_and_of_decimals_is_in_the_help() -> None:
    text = " ".join(citadel("tape", "verify", "--help").stdout.replace("│", " ").split())
    for words in ("Exit status 0 only if the tape is clean", "without trailing zeros", "unless they would"):
        assert words in text
    for venue in WIRES:
        assert venue in text


def test_a_cut_off_tape_is_read_and_said_to_be(tmp_path: Path, tape: Path) -> None:
    cut = tmp_path / "cut.tape.gz"
    cut.write_bytes(tape.read_bytes()[:-30])
    done = citadel("tape", "verify", cut, *OF, "--json")
    found = json.loads(done.stdout)
    assert found["cut_off"]
    assert 0 < found["frames"] < 8


def test_tops(tmp_path: Path, tape: Path) -> None:
    out = tmp_path / "new" / "tops.parquet"
    done = elsewhere("tape", "tops", tape, *OF, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"3 rows of 4 book frames in {out}\n"
    table = pq.read_table(out)
    assert table.column_names == COLUMNS
    assert [str(field.type) for field in table.schema] == ["int64"] * 3 + ["double"] * 4
    ms = 1_723_118_400_000_000_000
    assert list(zip(*table.to_pydict().values(), strict=True)) == [
        (1_002, ms, 101, 60000.0, 1.5, 60000.01, 1.0),
        (1_005, ms, 103, 60000.0, 1.5, 60000.02, 3.0),
        (1_007, ms, 106, 60000.0, 1.5, 60000.02, 2.5),
    ]
    assert list(out.parent.iterdir()) == [out]


def test_tops_of_frames_that_waited_for_the_snapshot_carry_their_own_time(tmp_path: Path) -> None:
    late = write(tmp_path / "late.tape.gz", [*FRAMES[:5], SNAPSHOT, *FRAMES[5:]])
    out = tmp_path / "tops.parquet"
    assert citadel("tape", "tops", late, *OF, "--out", out, "--contract-size", "0.5").returncode == 0
    rows = pq.read_table(out).to_pydict()
    assert rows["recv_ns"] == [1_001, 1_004, 1_007]
    assert rows["ask_qty"] == [0.5, 1.5, 1.25]


def test_tops_say_where_the_book_was_lost(tmp_path: Path) -> None:
    lossy = write(tmp_path / "lossy.tape.gz", [SNAPSHOT, FRAMES[1], FRAMES[6]])
    done = citadel("tape", "tops", lossy, *OF, "--out", tmp_path / "tops.parquet")
    assert done.stdout.startswith("1 rows of 2 book frames")
    assert done.stderr.startswith("citadel: not LIVE: frame 3: ")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ("--venue", "binance", "--symbol", "ETH/USDT"),
            "no book of ETHUSDT was found. Named there: BTCUSDT",
        ),
        (("--venue", "bybit", "--symbol", "BTC/USDT"), "no frame is of bybit's wire form"),
        ((*OF, "--price-decimals", "0", "--qty-decimals", "0"), "more decimals than the instrument"),
    ],
)
def test_tops_of_a_book_that_was_never_live_are_an_error(
    tmp_path: Path, tape: Path, words: tuple[str, ...], problem: str
) -> None:
    done = citadel("tape", "tops", tape, *words, "--out", tmp_path / "tops.parquet")
    assert (done.returncode, one_line(done.stderr), done.stdout) == (1, True, ""), done.stderr
    assert "never LIVE" in done.stderr
    assert problem in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [tape.name]


def test_an_empty_side_is_nan(tmp_path: Path) -> None:
    gone = depth(102, 102, [("60000.00", "0"), ("59999.99", "0")])
    tape = write(tmp_path / "x.tape.gz", [SNAPSHOT, depth(101, 101), gone])
    assert citadel("tape", "tops", tape, *OF, "--out", tmp_path / "tops.parquet").returncode == 0
    rows = pq.read_table(tmp_path / "tops.parquet").to_pydict()
    assert [str(qty) for qty in rows["bid"] + rows["bid_qty"]] == ["60000.0", "nan", "1.0", "nan"]
    assert rows["ask"] == [60000.01] * 2


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--venue", "mtgox", "--symbol", "BTC/USDT"), "Known: binance, binanceusdm, bybit, bybitlinear"),
        (("--venue", "binance", "--symbol", "BTCUSDT"), "Write it as BASE/QUOTE"),
        (("--venue", "binance", "--symbol", "DOGE/USDT"), "Named there: BTCUSDT"),
    ],
)
def test_what_was_meant_wrong_is_one_line(tmp_path: Path, tape: Path, words: Any, problem: str) -> None:
    out = tmp_path / "tops.parquet"
    for call in (("verify", tape, *words), ("tops", tape, *words, "--out", out)):
        done = citadel("tape", *call)
        assert done.returncode == 1
        assert one_line(done.stderr)
        assert problem in done.stderr
    assert not out.exists()


def test_a_tape_that_breaks_off_in_a_bad_line_leaves_no_tops(tmp_path: Path, tape: Path) -> None:
    bad = tmp_path / "bad.tape"
    bad.write_bytes(gzip.decompress(tape.read_bytes()) + b"nonsense\n")
    done = citadel("tape", "tops", bad, *OF, "--out", tmp_path / "tops.parquet")
    assert (done.returncode, one_line(done.stderr)) == (1, True)
    assert "line 9" in done.stderr
    assert sorted(tmp_path.iterdir()) == [bad, tape]


# --- record -----------------------------------------------------------------------------------------------


@contextmanager
def recording(venue: LocalVenue, out: Path, *words: object) -> Iterator[subprocess.Popen[str]]:
    at = ("--stream-url", venue.at.stream, "--rest-url", venue.at.rest)
    call = command("record", *OF, "--out", out, *at, *words)
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(call, cwd=ROOT, text=True, **pipes) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def wait_for_frames(out: Path, count: int) -> Path:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for path in out.glob("*"):
            if len(list(TapeFile(path))) >= count:
                return path
        time.sleep(0.05)
    raise AssertionError(f"{count} frames never came")


ALL = len(FRAMES) + 2
"""With the answer to the subscription, and the snapshot."""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_record_ends_cleanly_on_ctrl_c(tmp_path: Path, how: signal.Signals) -> None:
    with LocalVenue() as venue, recording(venue, tmp_path / "out") as process:
        path = wait_for_frames(tmp_path / "out", ALL)
        process.send_signal(how)
        said, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert said == f"{path}\n"
    assert errors.count("\n") == 1
    assert f"{ALL} frames, 0.00 MB" in errors
    done = citadel("tape", "verify", path, *OF, "--json")
    found = json.loads(done.stdout)
    assert (found["clean"], found["cut_off"], found["frames"], found["applied"]) == (True, False, ALL, 3)


def test_after_kill_9_what_was_recorded_is_readable(tmp_path: Path) -> None:
    with LocalVenue() as venue, recording(venue, tmp_path / "out") as process:
        wait_for_frames(tmp_path / "out", ALL)
        for n in range(107, 307):
            venue.push(depth(n, n, [("60000.00", f"{n}.0")]))
        path = wait_for_frames(tmp_path / "out", ALL + 200)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
    done = citadel("tape", "verify", path, *OF, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert (found["clean"], found["cut_off"], found["frames"]) == (True, True, ALL + 200)
    assert found["applied"] == 203


def test_record_stops_after_the_seconds_it_was_given(tmp_path: Path) -> None:
    with LocalVenue() as venue, recording(venue, tmp_path / "out", "--seconds", 2) as process:
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(list(TapeFile(said.strip()))) == ALL


@pytest.mark.parametrize("fault", ["no snapshot", "nothing comes"])
def test_a_recording_without_a_book_says_why_and_fails(tmp_path: Path, fault: str) -> None:
    with LocalVenue(scripts=[FRAMES if fault == "no snapshot" else []]) as venue:
        venue.status["/api/v3/depth"] = 404
        with recording(venue, tmp_path / "out", "--seconds", 4) as process:
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    reason = "404" if fault == "no snapshot" else "SYNCING (waiting for the first update)"
    assert reason in errors.splitlines()[-2], errors
    assert errors.splitlines()[-1].startswith("citadel: never LIVE, so no book can be had: binance BTC/USDT ")
    assert reason in errors.splitlines()[-1]


def test_what_is_not_reachable_is_one_line_within_ten_seconds(tmp_path: Path) -> None:
    with black_hole() as silent:
        for at, problem in ((nobody(), "refuses connections"), (silent, "did not answer within")):
            words = ("--out", tmp_path / "out", "--stream-url", at.stream, "--rest-url", at.rest)
            done = elsewhere("record", *OF, *words, seconds=30)
            assert done.returncode == 1
            assert one_line(done.stderr), done.stderr
            assert problem in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--venue", "mtgox", "--symbol", "BTC/USDT"), "mtgox"),
        (("--venue", "okx", "--symbol", "BTC-USDT"), "Write it as BASE/QUOTE"),
        (
            ("--venue", "okx", "--venue", "kraken", "--symbol", "BTC/USD", "--stream-url", "ws://x"),
            "are of one venue",
        ),
    ],
)
def test_a_wrong_wish_is_one_line(tmp_path: Path, words: Any, problem: str) -> None:
    done = citadel("record", *words, "--out", tmp_path / "out")
    assert (done.returncode, one_line(done.stderr)) == (1, True), done.stderr
    assert problem in done.stderr
