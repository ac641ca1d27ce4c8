"""The journal: what is written, who may write, what people read, and what is refused."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import JournalError, LeaseHeld
from citadel_kit.io.journal import VERSION, Booked, Journal
from citadel_kit.types import (
    FIRST_STOP_ID,
    Command,
    CommandKind,
    Fill,
    Instrument,
    OrderIntent,
    OrderReport,
    Purpose,
    RejectReason,
    ReportKind,
    Side,
    StopCommand,
    client_id,
    parse_client_id,
)

NOW = 1_800_000_000_000_000_000
COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3)
BIG = 4_611_686_018_427_387_903
V1 = Path(__file__).with_name("journal_v1.sql")


def place(order_id: int = 1, *, side: Side = Side.BUY, price: int = 12345, qty: int = 50) -> Command:
    return Command(CommandKind.PLACE, order_id, int(side), price, qty, 0)


def said(
    kind: ReportKind, filled: int = 0, *, order_id: int = 1, price: int = 0, qty: int = 0
) -> OrderReport:
    return OrderReport(kind, order_id, NOW + 5, price, qty, filled, False, 0)


def fill(
    qty: int, *, order_id: int = 1, price: int = 12345, parent: str = "p1", side: Side = Side.BUY
) -> Fill:
    return Fill(
        venue="v",
        symbol="A/B",
        parent_id=parent,
        order_id=order_id,
        recv_ns=NOW + 7,
        side=side,
        price=price,
        qty=qty,
        maker=True,
        fee=0.25,
    )


def started(path: Path, prefix: str = "ck000001") -> Journal:
    """With one parent, p1, on its way."""
    journal = Journal(path)
    journal.start_run(prefix, "main", "TEST", NOW)
    add(journal, "p1")
    return journal


def add(journal: Journal, parent: str, closes: str = "", purpose: Purpose = Purpose.ENTRY) -> None:
    intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=50, purpose=purpose, forced=True)
    journal.intent(parent, intent, COIN, {"deadline_s": 60}, NOW + 1, closes)


# --- client ids -----------------------------------------------------------------------------


@given(parent=st.text("abzAZ019-", min_size=1, max_size=15), order_id=st.integers(1, 2_000_000))
def test_a_client_id_is_read_back(parent: str, order_id: int) -> None:
    assert parse_client_id(client_id("ck00ab12", parent, order_id), "ck00ab12") == (parent, order_id)


NOT_OURS = ["", "ck00ab12", "ck00ab12-p1", "ck00ab12--1", "ck00ab12-p1-", "ck00ab12-p1-01", "ck00ab12-p1-0"]
NOT_OURS += ["-p1-1", "ck00ab12-p1-1x", "ck00ab12-p1-+1", "ck00ab12-p1-١", "ck00ab13-p1-1", "xck00ab12-p1-1"]


@pytest.mark.parametrize("text", [*NOT_OURS, "ck00ab12p1-1"])
def test_other_client_ids_are_not_ours(text: str) -> None:
    assert parse_client_id(text, "ck00ab12") is None


# --- what people read -----------------------------------------------------------------------


def test_people_read_times_floats_and_words(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal, Journal.open_readonly(tmp_path / "j.db") as reader:
        journal.exit_plan("p1", {"stop": 12000}, NOW + 2)
        journal.command("p1", place(), NOW + 3)
        journal.report("p1", said(ReportKind.ACK), venue_order_id="v77")
        assert journal.fill(fill(20), 20, "t1")
        journal.guard("kill", "drill", NOW + 9)
        journal.reconciliation("v", True, {"booked": []}, NOW + 10)
        order = reader.orders().iloc[0]
        assert (order.client_id, order.side, order.tif, order.status) == (
            "ck000001-p1-1",
            "BUY",
            "POST_ONLY",
            "resting",
        )
        assert (order.price, order.qty, order.filled, order.venue_order_id) == (123.45, 0.05, 0.02, "v77")
        assert order.placed == pd.Timestamp(NOW + 3, tz="UTC")
        one = reader.fills().iloc[0]
        assert (one.price, one.qty, one.total, one.maker, one.fee, one.trade_id) == (
            123.45,
            0.02,
            0.02,
            True,
            0.25,
            "t1",
        )
        command = reader.commands().iloc[0]
        assert (command.command, command.price, command.qty, command["at"].value) == (
            "PLACE",
            123.45,
            0.05,
            NOW + 3,
        )
        report = reader.reports().iloc[0]
        assert (report.report, report.reason, math.isnan(report.price)) == ("ACK", "NONE", True)
        intent = reader.intents().iloc[0]
        assert (intent.purpose, intent.forced, intent.exit_plan) == ("ENTRY", True, '{"stop": 12000}')
        run = reader.runs().iloc[0]
        assert (run.account, run["mode"], run.ended is pd.NaT) == ("main", "TEST", True)
        assert reader.events().text[0] == "drill"
        assert reader.reconciliations().settled[0]
        journal.end_run(NOW + 11)
        assert reader.runs().ended[0].value == NOW + 11


def test_an_empty_journal_has_all_its_columns(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db"), Journal.open_readonly(tmp_path / "j.db") as reader:
        assert len(reader.orders()) == len(reader.fills()) == len(reader.commands()) == 0
        assert {"client_id", "price", "filled", "status"} <= set(reader.orders().columns)
        assert str(reader.fills()["at"].dtype) == "datetime64[ns, UTC]"


def test_integers_stay_integers(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        journal.command("p1", place(price=BIG, qty=BIG - 1), NOW)
        own = journal.own_orders("v", 0)[0]
        assert (own.price, own.qty) == (BIG, BIG - 1)
        with pytest.raises(JournalError, match="too large"):
            journal.command("p1", place(2, price=1 << 63), NOW)


def test_reading_goes_on_in_other_threads_and_processes_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    seen: list[int] = []

    def read() -> None:
        with Journal.open_readonly(path) as reader:
            while not seen or seen[-1] < 50:
                seen.append(len(reader.orders()))

    with started(path) as journal:
        thread = threading.Thread(target=read)
        thread.start()
        for i in range(1, 51):
            journal.command("p1", place(i), NOW + i)
        thread.join()
        code = (
            "import sys; from citadel_kit.io.journal import Journal\n"
            "print(len(Journal.open_readonly(sys.argv[1]).orders()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "50"
    assert seen == sorted(seen)


def test_a_reader_can_not_write(tmp_path: Path) -> None:
    Journal(tmp_path / "j.db").close()
    refused = pytest.raises(sqlite3.OperationalError, match="readonly")
    with Journal.open_readonly(tmp_path / "j.db") as reader, refused:
        reader._db.execute("DELETE FROM fills")


# --- one writer -----------------------------------------------------------------------------


def test_a_second_writer_is_refused_and_told_whose_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    code = f"from citadel_kit.io.journal import Journal; Journal({str(path)!r})"
    with started(path):
        with pytest.raises(LeaseHeld, match="the process"):
            Journal(path)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "LeaseHeld" in done.stderr
    Journal(path).close()


# --- what is refused ------------------------------------------------------------------------


def test_other_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(JournalError, match="no journal, or a damaged one"):
        Journal(path)
    assert path.read_bytes().startswith(b"not a database")
    other = tmp_path / "o.db"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE t (a)")
    for opens in (Journal, Journal.open_readonly):
        with pytest.raises(JournalError, match="another program"):
            opens(other)
    with pytest.raises(JournalError):
        Journal.open_readonly(tmp_path / "none.db")
    with pytest.raises(JournalError):
        Journal(tmp_path)


def test_a_damaged_page_is_seen_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with started(path) as journal:
        for i in range(1, 200):
            journal.command("p1", place(i)._replace(kind=CommandKind.CANCEL), NOW + i)
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"damaged|malformed"):
        Journal(path)


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    for opens in (Journal, Journal.open_readonly):
        with pytest.raises(JournalError, match=f"version is {VERSION + 1}"):
            opens(path)


def test_an_order_without_intent_or_with_a_used_id_is_refused(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        with pytest.raises(JournalError, match="no intent"):
            journal.command("p2", place(), NOW)
        journal.command("p1", place(), NOW)
        with pytest.raises(JournalError, match="UNIQUE"):
            journal.command("p1", place(), NOW)
        with pytest.raises(JournalError, match="failed before"):  # it stays shut
            journal.command("p1", place(2), NOW)
    with pytest.raises(JournalError, match="UNIQUE"):
        started(tmp_path / "j.db")  # a prefix that was used


def test_a_full_disk_is_a_journal_error_and_loses_nothing_written(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with started(path) as journal:
        journal.command("p1", place(), NOW)
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="full"):
            journal.intent("p9", _intent(), COIN, {"note": "x" * 100_000}, NOW)
        with pytest.raises(JournalError, match="failed before"):
            journal.report("p1", said(ReportKind.ACK))
    with Journal(path) as journal:
        assert [own.client_id for own in journal.own_orders("v", 0)] == ["ck000001-p1-1"]


def _intent() -> OrderIntent:
    return OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=1, forced=True)


# --- migration --------------------------------------------------------------------------------


def test_a_file_of_version_1_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(V1.read_text("utf-8"))
    with pytest.raises(JournalError, match="version is 1"):
        Journal.open_readonly(path)
    with Journal(path) as journal, Journal.open_readonly(path) as reader:
        own = journal.own_orders("v", 0)
        assert [(o.client_id, o.booked, o.family_net) for o in own] == [("ck0000aa-p1-1", 20, 20)]
        assert reader.intents().closes.tolist() == [""]
        assert reader.fills().qty.tolist() == [0.02]
        journal.start_run("ck000002", "main", "TEST", NOW)
        add(journal, "p1", closes="ck0000aa-p1", purpose=Purpose.EXIT)
        journal.command("p1", place(side=Side.SELL, qty=5), NOW)
        assert journal.fill(fill(5, side=Side.SELL), 5)
        assert {o.family_net for o in journal.own_orders("v", 0)} == {15}
        assert journal.prefixes() == ("ck0000aa", "ck000002")
    Journal(path).close()  # and again, as a file of today


def test_a_migration_that_breaks_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(V1.read_text("utf-8"))
        db.execute("CREATE TABLE orders_family (a)")
        db.commit()
        before = list(db.iterdump())
    with pytest.raises(JournalError, match="orders_family"):
        Journal(path)
    with closing(sqlite3.connect(path)) as db:
        assert list(db.iterdump()) == before
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


# --- what it knows of an order ------------------------------------------------------------------


def test_the_life_of_an_order(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:

        def now() -> tuple[int, int, int, bool]:
            own = journal.own_orders("v", 0)[0]
            return own.qty, own.booked, own.claimed, own.settled

        journal.command("p1", place(), NOW)
        assert now() == (50, 0, 0, False)
        journal.report("p1", said(ReportKind.UNKNOWN))
        assert now() == (50, 0, 0, False)
        journal.report("p1", said(ReportKind.STATE, 10, price=12346, qty=50))
        assert now() == (50, 0, 10, False)
        assert journal.fill(fill(10), 10)
        assert now() == (50, 10, 10, False)
        journal.report("p1", said(ReportKind.CANCELED, 30))
        assert now() == (50, 10, 30, False)  # gone, and 20 of its fills are missing
        assert journal.fill(fill(20), 30)
        assert now() == (50, 30, 30, True)
        assert journal.own_orders("v", NOW + 8) == []
        assert journal.own_orders("other", 0) == []


def test_an_order_that_was_full_and_is_amended_larger_is_at_work_again(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        journal.command("p1", place(), NOW)
        journal.fill(fill(50), 50)
        assert journal.own_orders("v", 0)[0].settled
        journal.report("p1", said(ReportKind.AMENDED, 50, price=12345, qty=60))
        assert not journal.own_orders("v", 0)[0].settled


def test_an_answer_older_than_the_fills_of_a_full_order_does_not_revive_it(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        journal.command("p1", place(), NOW)
        journal.fill(fill(50), 50)
        journal.report("p1", said(ReportKind.STATE, 0, price=12345, qty=50))
        assert journal.own_orders("v", 0)[0].settled


def test_a_duplicate_is_no_end_and_any_other_reject_is(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        for order_id, reason in ((1, RejectReason.DUPLICATE), (2, RejectReason.BALANCE)):
            journal.command("p1", place(order_id), NOW)
            journal.report("p1", OrderReport(ReportKind.REJECT, order_id, NOW, 0, 0, 0, False, reason))
        assert [own.settled for own in journal.own_orders("v", 0)] == [False, True]


def test_a_fill_is_booked_once(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        journal.command("p1", place(), NOW)
        assert journal.fill(fill(10), 20, "t2")  # the later one comes first
        assert not journal.fill(fill(10), 20, "t2")
        assert not journal.fill(fill(10), 20)
        assert not journal.fill(fill(20), 20)  # a sum of both: more than what is missing
        assert not journal.fill(fill(5), 15)
        assert journal.fill(fill(10), 10, "t1")
        assert journal.own_orders("v", 0)[0].fills == (Booked("t1", 10, 10), Booked("t2", 10, 20))


def test_the_fills_of_an_entry_its_stop_and_its_exit_add_up(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        add(journal, "p2", closes="ck000001-p1", purpose=Purpose.EXIT)
        journal.command("p1", place(), NOW)
        journal.command("p1", place(FIRST_STOP_ID, side=Side.SELL, qty=30), NOW)
        journal.command("p2", place(side=Side.SELL, qty=5), NOW)
        journal.fill(fill(30), 30)
        journal.fill(fill(4, order_id=FIRST_STOP_ID, side=Side.SELL), 4)
        journal.fill(fill(5, parent="p2", side=Side.SELL), 5)
        assert {own.family_net for own in journal.own_orders("v", 0)} == {21}


def test_orders_are_found_by_the_venues_number_however_old(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        journal.command("p1", place(), NOW)
        journal.report("p1", said(ReportKind.CANCELED), venue_order_id="v9")
        assert journal.own_orders("v", NOW * 2) == []
        assert len(journal.own_orders("v", NOW * 2, ["x", "v9"])) == 1
        assert journal.own_orders("v", NOW * 2, ["", "x"]) == []


def test_the_last_kill_or_arming(tmp_path: Path) -> None:
    with started(tmp_path / "j.db") as journal:
        assert journal.last_guard() is None
        for kind in ("kill", "arm", "trip"):
            journal.guard(kind, f"because {kind}", NOW)
        assert journal.last_guard() == ("arm", "because arm", NOW)


# --- batches --------------------------------------------------------------------------------


def test_a_batch_is_one_transaction_that_a_command_ends(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with started(path) as journal, Journal.open_readonly(path) as reader:
        journal.command("p1", place(), NOW)
        with journal.batch():
            journal.report("p1", said(ReportKind.FILL, 10))
            journal.fill(fill(10), 10)
            assert len(reader.fills()) == 0
            journal.command("p1", place(2), NOW)
            assert (len(reader.fills()), len(reader.commands())) == (1, 2)
            journal.fill(fill(10), 20)
            assert len(reader.fills()) == 1
        assert len(reader.fills()) == 2


def test_a_protective_stop_is_written_ahead_as_any_order(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with started(path) as journal, Journal.open_readonly(path) as reader:
        journal.command("p1", StopCommand(FIRST_STOP_ID, int(Side.SELL), 12000, 0, 50), NOW)
        row = reader.commands().iloc[0]
        assert (row.command, row.side, row.stop_price, row.qty) == ("PLACE", "SELL", 120.0, 0.05)
        assert math.isnan(row.price)
        assert journal.own_orders("v", 0)[0].order_id == FIRST_STOP_ID


def test_what_a_batch_wrote_stands_whatever_is_raised_in_it(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with started(path) as journal, Journal.open_readonly(path) as reader:
        journal.command("p1", place(), NOW)
        with pytest.raises(ZeroDivisionError), journal.batch():
            journal.fill(fill(10), 10)
            raise ZeroDivisionError
        assert len(reader.fills()) == 1


@pytest.mark.parametrize(
    ("kind", "waits"),
    [
        (CommandKind.PLACE, True),
        (CommandKind.AMEND, True),
        (CommandKind.CANCEL, False),
        (CommandKind.QUERY, False),
    ],
)
def test_what_may_open_risk_waits_for_the_disk(tmp_path: Path, kind: CommandKind, waits: bool) -> None:
    with started(tmp_path / "j.db") as journal:
        done: list[str] = []
        journal._db.set_trace_callback(done.append)
        journal.command("p1", place()._replace(kind=kind), NOW)
        levels = [line.split()[-1] for line in done if "synchronous" in line]
        commit = done.index("COMMIT")
        assert done.index(f"PRAGMA synchronous = {'FULL' if waits else 'NORMAL'}") < commit
        assert levels[-1] == "NORMAL"
        assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
