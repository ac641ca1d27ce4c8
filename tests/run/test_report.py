"""The execution report: its arithmetic, its means, and the same from an engine and from its journal."""

from __future__ import annotations

from math import isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_shortfall import plain_shortfall

from citadel_kit.errors import ConfigError
from citadel_kit.io.journal import Journal
from citadel_kit.run.report import ENOUGH, MEASURES, ExecutionReport
from citadel_kit.run.report_journal import from_journal
from citadel_kit.run.shortfall import Executed, Execution, execution, measure
from citadel_kit.run.trace import NO_MARK, Mark, Trace
from citadel_kit.types import (
    FIRST_STOP_ID,
    BookTop,
    Command,
    CommandKind,
    Fill,
    Instrument,
    OrderIntent,
    OrderReport,
    OrderView,
    Purpose,
    ReportKind,
    Side,
    StopCommand,
    TimeInForce,
)

S = 1_000_000_000
NOW = 1_700_000_000 * S
COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3)
K, R = CommandKind, ReportKind


def executed(
    fills: list[Executed], *, side: Side = Side.BUY, qty: float = 2.0, name: str = "p1", size: float = 1.0
) -> Execution:
    return Execution(
        run="", parent_id=name, venue="v", symbol="A/B", side=side, purpose=Purpose.ENTRY, status="filled",
        qty=qty, contract_size=size, submitted_ns=NOW, finished_ns=NOW + 9 * S, fills=tuple(fills),
        arrival=Mark(NOW, 99.0, 101.0), end=Mark(NOW + 9 * S, 103.0, 105.0), placed_ns=NOW + S, reprices=3,
        queue_ns=4 * S, path=(Mark(NOW, 99.0, 101.0), Mark(NOW + 9 * S, 103.0, 105.0)),
    )  # fmt: skip


def fill(price: float, qty: float, bid: float, ask: float, fee: float = 0.0, maker: bool = True) -> Executed:
    return Executed(NOW + 5 * S, price, qty, maker, fee, bid, ask)


# --- the arithmetic --------------------------------------------------------------------------------------


def test_a_buy_that_waited_by_hand() -> None:
    """Mid 100. Half is filled at 101, bid, while the mid is 102: 1 earned, 2 drifted; 0.1 of fees."""
    row = measure(executed([fill(101.0, 1.0, 101.0, 103.0, 0.1)]))
    assert (row.spread_bps, row.drift_bps, row.fees_bps) == pytest.approx((-100.0, 200.0, 10.0))
    assert row.shortfall_bps == pytest.approx(110.0)
    assert row.opportunity_bps == pytest.approx(200.0), "the other half would cost 4 % more now"
    assert (row.fill_rate, row.notional, row.intended) == (0.5, 100.0, 200.0)
    assert (row.time_to_place_s, row.time_to_first_fill_s, row.queue_s, row.reprices) == (1.0, 5.0, 4.0, 3)
    assert isnan(row.time_to_fill_s), "it never was filled whole"


def test_a_sale_has_the_other_sign() -> None:
    row = measure(executed([fill(101.0, 2.0, 101.0, 103.0, maker=False)], side=Side.SELL))
    assert (row.spread_bps, row.drift_bps) == pytest.approx((100.0, -200.0))
    assert (row.opportunity_bps, row.maker_rate, row.time_to_fill_s) == (0.0, 0.0, 5.0)


prices = st.integers(5_000, 20_000).map(lambda units: units / 100)
fills = st.builds(
    lambda price, qty, bid, width, fee, maker: fill(price, qty, bid, bid + width, fee, maker),
    prices, st.integers(1, 10**6).map(lambda q: q / 1000), prices, st.integers(1, 200).map(lambda w: w / 100),
    st.floats(-1, 1), st.booleans(),
)  # fmt: skip


@given(st.lists(fills, min_size=1, max_size=8), st.sampled_from(Side), st.sampled_from([1.0, 0.01]))
def test_components_add_up_and_equal_the_plain_twin(found: list[Executed], side: Side, size: float) -> None:
    qty = sum(f.qty for f in found) * 1.5
    e = executed(found, side=side, qty=qty, size=size)
    row, plain = measure(e)._asdict(), plain_shortfall(e)
    assert row["shortfall_bps"] == row["spread_bps"] + row["drift_bps"] + row["fees_bps"]
    assert plain["shortfall"] == plain["spread"] + plain["drift"] + plain["fees"]
    for name in MEASURES:
        assert row[f"{name}_bps"] == pytest.approx(float(plain[name]), rel=1e-9, abs=1e-7), name


def test_without_a_mid_the_sum_is_known_and_the_split_is_not() -> None:
    row = measure(executed([fill(101.0, 2.0, nan, nan, 0.2)]))
    assert row.shortfall_bps == pytest.approx(110.0) and isnan(row.spread_bps) and isnan(row.drift_bps)


def test_an_order_without_a_fill_costs_nothing_but_what_it_missed() -> None:
    row = measure(executed([]))
    assert isnan(row.shortfall_bps) and isnan(row.average_price) and row.notional == 0.0
    assert row.opportunity_bps == pytest.approx(400.0)


# --- the report ------------------------------------------------------------------------------------------


def many(n: int) -> ExecutionReport:
    rng = np.random.default_rng(3)
    return ExecutionReport(
        [
            executed(
                [fill(100 + float(rng.normal()), float(rng.uniform(0.1, 2.0)), 99.5, 100.5, 0.01)],
                name=f"p{i}",
                side=Side.BUY if i % 2 else Side.SELL,
            )
            for i in range(n)
        ]
    )


def test_means_are_weighed_by_what_was_filled() -> None:
    report = many(30)
    frame, summary = report.frame, report.summary
    for name in MEASURES:
        weights = frame["intended" if name == "opportunity" else "notional"]
        mean = np.average(frame[f"{name}_bps"], weights=weights)
        assert summary.loc[name, "bps"] == pytest.approx(mean)
        assert summary.loc[name, "low"] <= mean <= summary.loc[name, "high"]
    parts = summary.loc[["spread", "drift", "fees"], "bps"].sum()
    assert summary.loc["shortfall", "bps"] == pytest.approx(parts)
    assert summary.equals(report.summary), "the same draws every time"


def test_few_orders_have_no_interval_and_none_no_mean() -> None:
    assert np.isnan(many(ENOUGH - 1).summary.loc["shortfall", "low"])
    assert not np.isnan(many(ENOUGH).summary.loc["shortfall", "low"])
    empty = ExecutionReport([])
    assert len(empty.frame) == 0 and empty.summary["orders"].sum() == 0
    assert "0 orders" in repr(empty) and "<table" in empty._repr_html_()


def test_the_frame_has_what_a_cost_model_asks_for() -> None:
    frame = many(3).frame
    wanted = {"spread_bps", "drift_bps", "fees_bps", "shortfall_bps", "side", "notional"}
    assert wanted <= set(frame.columns) and set(frame["side"]) == {"BUY", "SELL"}
    assert str(frame["submitted"].dtype) == "datetime64[ns, UTC]"


def test_unfilled_orders_are_counted() -> None:
    whole, part, none = (
        executed([fill(101.0, 2.0, 99.0, 101.0)]),
        executed([fill(101.0, 1.0, 99.0, 101.0)]),
        executed([]),
    )
    counts = ExecutionReport([whole, part, none]).counts
    assert (counts["filled"], counts["partly"], counts["unfilled"]) == (1, 1, 1)
    assert counts["fill_rate"] == pytest.approx(0.5)


def test_figures_show_every_part_and_every_order() -> None:
    _, report = told(None)
    bars = report.figure()
    frame = report.frame
    drawn = {trace.name: list(trace.y) for trace in bars.data}
    assert list(drawn) == ["spread", "drift", "fees", "shortfall"]
    assert drawn["shortfall"] == list(frame["shortfall_bps"])
    book = {trace.name: trace for trace in report.order_figure("p1").data}
    assert {"bid", "mid", "ask", "our order", "filled resting", "filled by taking"} <= set(book)
    assert [y for y in book["our order"].y if y is not None] == [100.0, 100.0, 100.5, 100.5]
    with pytest.raises(ConfigError, match="no order 'p7'"):
        report.order_figure("p7")


# --- from an engine and from its journal ------------------------------------------------------------------


def told(journal: Journal | None, marks: bool = False) -> tuple[pd.DataFrame, ExecutionReport]:
    """A buy of 0.050 that is repriced, half filled resting, and taken; a stop of it that fills is not it."""
    trace, fills, total = Trace(), [], {}
    intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=50, forced=True)
    tops: list[tuple[int, float, float]] = []

    def top(at: int, bid: int, ask: int) -> None:
        trace.on_top(NOW + at * S, BookTop(0, 0, -1, bid, 1, ask, 1))
        tops.append((NOW + at * S, bid / 100, ask / 100))

    def send(at: int, command: Command | StopCommand) -> None:
        if isinstance(command, Command):
            trace.on_command(NOW + at * S, command)
        if journal:
            journal.command("p1", command, NOW + at * S)

    def hear(
        at: int, kind: R, order: int, price: int = 0, qty: int = 0, filled: int = 0, maker: bool = True
    ) -> None:
        said = OrderReport(int(kind), order, NOW + at * S, price, qty, filled, maker, 0)
        trace.on_report(said, booked=kind == R.FILL)
        if journal:
            journal.report("p1", said)
        if kind == R.FILL:
            side = Side.BUY if order < FIRST_STOP_ID else Side.SELL
            fact = Fill(
                venue="v", symbol="A/B", parent_id="p1", order_id=order, recv_ns=said.recv_ns, side=side,
                price=price, qty=qty, maker=maker, fee=0.001,
            )  # fmt: skip
            fills.append(fact)
            total[order] = total.get(order, 0) + qty
            if journal:
                seen = trace.last
                journal.fill(fact, total[order], "", "", *(map(int, seen[1:]) if marks else (0, 0)))

    top(0, 10_000, 10_200)
    if journal:
        options = {"arrival_bid": 100.0, "arrival_ask": 102.0, "deadline_s": 60}
        journal.intent("p1", intent, COIN, options, NOW)
    place = Command(int(K.PLACE), 1, 1, 10_000, 50, int(TimeInForce.POST_ONLY))
    send(1, place)
    hear(2, R.ACK, 1, 10_000, 50)
    send(3, StopCommand(FIRST_STOP_ID, -1, 9_000, 0, 20))
    top(4, 10_050, 10_250)
    hear(5, R.FILL, 1, 10_000, 20, 20)
    send(6, place._replace(kind=int(K.CANCEL)))
    hear(7, R.CANCELED, 1, 10_000, 0, 20)
    send(7, place._replace(order_id=2, price=10_050, qty=30))
    hear(8, R.ACK, 2, 10_050, 30)
    hear(9, R.FILL, 2, 10_050, 5, 5)
    hear(11, R.CANCELED, 2, 10_050, 0, 5)
    top(12, 10_100, 10_300)
    send(12, place._replace(order_id=3, price=10_400, qty=25, tif=int(TimeInForce.IOC)))
    hear(13, R.FILL, 3, 10_300, 25, 25, maker=False)
    hear(14, R.FILL, FIRST_STOP_ID, 9_000, 10, 10, maker=False)
    view = OrderView(
        parent_id="p1", venue="v", symbol="A/B", side=Side.BUY, purpose=Purpose.ENTRY, forced=True,
        status="filled", note="", qty=0.05, filled=0.05, remaining=0.0, working_price=nan, arrival_mid=101.0,
        average_price=nan, slippage_bps=nan, fees=0.0, reprices=1, submitted_ns=NOW, finished_ns=NOW + 13 * S,
    )  # fmt: skip
    book = pd.DataFrame(tops, columns=["recv_ns", "bid", "ask"])
    return book, ExecutionReport([execution(view, COIN, fills, trace, NOW + 20 * S)])


def test_the_story_is_measured_as_it_was() -> None:
    _, report = told(None)
    row = report.frame.iloc[0]
    assert (row["reprices"], row["queue_s"], row["time_to_place_s"]) == (1, 8.0, 1.0)
    assert (row["time_to_first_fill_s"], row["time_to_fill_s"]) == (5.0, 13.0)
    assert row["filled"] == 0.05 and row["maker_rate"] == 0.5
    assert row["average_price"] == pytest.approx((100 * 20 + 100.5 * 5 + 103 * 25) / 50)
    assert row["fees_bps"] == pytest.approx(0.003 / (0.05 * 101) * 1e4), "the stop's fee is not in it"


def test_the_journal_tells_the_same(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck1", "main", "TEST", NOW)
        tops, report = told(journal)
        with Journal.open_readonly(tmp_path / "j.db") as reader:
            again = ExecutionReport(from_journal(reader, tops={"v": tops}))
            alone = ExecutionReport(from_journal(reader))
    here, there = report.frame.iloc[0].drop("run"), again.frame.iloc[0].drop("run")
    pd.testing.assert_series_equal(here, there, check_names=False)
    assert report.executions[0].rests == again.executions[0].rests
    assert again.executions[0].name == "ck1-p1"
    own = alone.frame.iloc[0]
    assert own["shortfall_bps"] == pytest.approx(here["shortfall_bps"]), "without tops too"
    assert np.isnan(own["spread_bps"]) and own["arrival_price"] == 101.0


def test_a_journal_with_the_market_beside_each_fill_needs_no_tops(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck1", "main", "TEST", NOW)
        _, report = told(journal, marks=True)
        with Journal.open_readonly(tmp_path / "j.db") as reader:
            again = ExecutionReport(from_journal(reader))
    here, there = report.frame.iloc[0].drop("run"), again.frame.iloc[0].drop("run")
    pd.testing.assert_series_equal(here, there, check_names=False)


def test_an_order_at_work_is_so_in_the_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck1", "main", "TEST", NOW)
        intent = OrderIntent(venue="v", symbol="A/B", side=Side.SELL, qty=50, forced=True)
        for parent in ("p1", "p2"):
            journal.intent(parent, intent, COIN, {}, NOW)
        journal.command("p1", Command(int(K.PLACE), 1, -1, 10_000, 50, 0), NOW + S)
        with Journal.open_readonly(tmp_path / "j.db") as reader:
            first, second = from_journal(reader, run="ck1")
            assert from_journal(reader, run="other") == []
    assert (first.status, second.status) == ("working", "ended")
    assert first.arrival == NO_MARK and first.finished_ns == 0


def test_a_contract_of_unknown_size_is_refused(tmp_path: Path) -> None:
    swap = Instrument(
        venue="v", symbol="A/B:B", venue_symbol="AB", price_decimals=2, qty_decimals=3, contract_size=0.01
    )
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck1", "main", "TEST", NOW)
        intent = OrderIntent(venue="v", symbol="A/B:B", side=Side.BUY, qty=50, forced=True)
        journal.intent("p1", intent, swap, {}, NOW)
        with Journal.open_readonly(tmp_path / "j.db") as reader:
            with pytest.raises(ConfigError, match="contract size"):
                from_journal(reader)
            assert from_journal(reader, instruments=[swap])[0].contract_size == 0.01
