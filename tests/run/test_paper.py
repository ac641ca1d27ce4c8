"""The paper broker: latency, filters, the queue, and that nothing fills twice."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from naive import PlainLadder

from citadel_kit.errors import ConfigError
from citadel_kit.micro import chase
from citadel_kit.micro.matching import QueueConfig
from citadel_kit.run.paper import Latency, PaperBroker
from citadel_kit.types import (
    BookTop,
    Command,
    CommandKind,
    Instrument,
    Levels,
    OrderReport,
    RejectReason,
    ReportKind,
    Side,
    TimeInForce,
    Trade,
)

BUY, SELL = int(Side.BUY), int(Side.SELL)
INSTRUMENT = Instrument(
    venue="v", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=3, tick=5, lot=10,
    min_notional=10_000,
)  # fmt: skip
BACK = 10


class PlainBook:
    """A `BookReader` of two plain ladders."""

    def __init__(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.sides = {BUY: PlainLadder(BUY), SELL: PlainLadder(SELL)}
        self.sides[BUY].apply(bids)
        self.sides[SELL].apply(asks)

    def top(self) -> BookTop:
        return BookTop(0, 0, -1, *self.sides[BUY].best(), *self.sides[SELL].best())

    def qty_at(self, side: int, price: int) -> int:
        return self.sides[side].qty_at(price)

    def levels(self, side: int, depth: int) -> Levels:
        return np.array(self.sides[side].levels(depth), np.int64).reshape(-1, 2)


BOOK = PlainBook([(1_000, 50), (995, 80)], [(1_005, 40), (1_010, 30), (1_015, 500)])


def command(
    price: int, qty: int = 100, *, side: int = BUY, tif: TimeInForce = TimeInForce.POST_ONLY, order: int = 1
) -> Command:
    return Command(int(CommandKind.PLACE), order, side, price, qty, int(tif))


def cancelling(order: int = 1) -> Command:
    return Command(int(CommandKind.CANCEL), order, BUY, 0, 0, 0)


def trade(price: int, qty: int, side: int = SELL) -> Trade:
    return Trade("BTC/USDT", 0, 0, 0, price, qty, side)


def broker(*, queue: QueueConfig = QueueConfig(0, False), book: PlainBook | None = BOOK) -> PaperBroker:  # noqa: B008
    """10 ns each way."""
    paper = PaperBroker([INSTRUMENT], latency=lambda: BACK, queue=queue)
    if book:
        paper.on_book("v", 0, book)
    return paper


def kinds(reports: list[tuple[str, OrderReport]]) -> list[tuple[str, int, int]]:
    return [(ReportKind(r.kind).name, r.qty, r.filled) for _, r in reports]


def test_a_command_takes_effect_after_its_latency_and_is_reported_after_another() -> None:
    paper = broker()
    paper.send("v", "p", command(1_000), 5)
    assert paper.next_due_ns() == 15
    assert paper.due(14) == [] and paper.resting("v") == {}
    assert paper.due(15) == [] and ("p", 1) in paper.resting("v")
    assert paper.next_due_ns() == 25
    assert paper.due(24) == []
    ((parent, report),) = paper.due(25)
    assert (parent, report) == ("p", OrderReport(int(ReportKind.ACK), 1, 25, 1_000, 100, 0, False, 0))
    assert paper.next_due_ns() == -1


def test_the_queue_ahead_is_served_first() -> None:
    paper = broker()
    paper.send("v", "p", command(1_000), 0)
    paper.on_trade("v", 20, trade(1_000, 70))
    _, fill = paper.due(100)
    assert fill[1] == OrderReport(int(ReportKind.FILL), 1, 30, 1_000, 20, 20, True, 0)
    paper.on_trade("v", 110, trade(1_000, 500))
    assert kinds(paper.due(200)) == [("FILL", 80, 100)]
    assert paper.resting("v") == {}


def test_trades_before_the_order_arrived_are_not_its_own() -> None:
    paper = broker()
    paper.send("v", "p", command(1_000), 0)
    paper.on_trade("v", 9, trade(1_000, 500))
    assert kinds(paper.due(100)) == [("ACK", 100, 0)]


def test_a_cancel_races_a_fill_and_may_lose() -> None:
    paper = broker()
    paper.send("v", "p", command(1_000), 0)
    paper.send("v", "p", cancelling(), 20)
    paper.on_trade("v", 29, trade(1_000, 500))
    assert kinds(paper.due(100)) == [("ACK", 100, 0), ("FILL", 100, 100), ("CANCEL_REJECT", 0, 0)]


def test_a_confirmed_cancel_carries_the_filled_total() -> None:
    paper = broker()
    paper.send("v", "p", command(1_000), 0)
    paper.send("v", "p", cancelling(), 20)
    paper.on_trade("v", 29, trade(1_000, 80))
    paper.on_trade("v", 31, trade(1_000, 500))
    assert kinds(paper.due(100)) == [("ACK", 100, 0), ("FILL", 30, 30), ("CANCELED", 0, 30)]


def test_cancelling_what_is_not_there_is_refused() -> None:
    paper = broker()
    paper.send("v", "p", cancelling(7), 0)
    ((_, report),) = paper.due(100)
    assert (report.kind, report.reason) == (ReportKind.CANCEL_REJECT, RejectReason.UNKNOWN_ORDER)


def rejected(paper: PaperBroker, sent: Command) -> int:
    paper.send("v", "p", sent, 0)
    ((_, report),) = paper.due(100)
    assert report.kind == ReportKind.REJECT
    return report.reason


@pytest.mark.parametrize(("side", "price"), [(BUY, 1_005), (BUY, 1_010), (SELL, 1_000), (SELL, 995)])
def test_post_only_that_would_take_is_rejected(side: int, price: int) -> None:
    assert rejected(broker(), command(price, side=side)) == RejectReason.POST_ONLY


@pytest.mark.parametrize(
    "sent", [command(1_001), command(1_000, 15), command(995, 10), command(0), command(1_000, 0)]
)
def test_tick_lot_and_minimum_notional_are_the_instruments(sent: Command) -> None:
    assert rejected(broker(), sent) == RejectReason.FILTER
    paper = broker()
    paper.send("v", "p", command(1_000, 10), 0)
    assert kinds(paper.due(100)) == [("ACK", 10, 0)]


def test_a_second_order_under_the_same_id_is_rejected_and_the_first_lives() -> None:
    paper = broker()
    paper.send("v", "p", command(1_000), 0)
    paper.send("v", "p", command(995, 200), 0)
    assert [kind for kind, *_ in kinds(paper.due(100))] == ["ACK", "REJECT"]
    assert paper.resting("v")["p", 1].price == 1_000


def test_without_a_book_nothing_is_placed_but_everything_can_be_cancelled() -> None:
    assert rejected(broker(book=None), command(1_000)) == RejectReason.NO_BOOK
    paper = broker()
    paper.send("v", "p", command(1_000), 0)
    paper.on_book_lost("v", 50)
    paper.send("v", "p", cancelling(), 60)
    paper.send("v", "p", command(1_000, order=2), 60)
    assert [kind for kind, *_ in kinds(paper.due(200))] == ["ACK", "CANCELED", "REJECT"]


def test_an_ioc_takes_what_is_shown_up_to_its_price_and_the_rest_is_cancelled() -> None:
    paper = broker()
    paper.send("v", "p", command(1_010, tif=TimeInForce.IOC), 0)
    reports = paper.due(100)
    assert kinds(reports) == [("FILL", 40, 40), ("FILL", 30, 70), ("CANCELED", 0, 70)]
    assert [(r.price, r.maker) for _, r in reports[:2]] == [(1_005, False), (1_010, False)]
    paper.send("v", "p", command(995, 50, side=SELL, tif=TimeInForce.IOC, order=2), 200)
    assert kinds(paper.due(300)) == [("FILL", 50, 50)]
    paper.send("v", "p", command(1_000, tif=TimeInForce.IOC, order=3), 400)
    assert kinds(paper.due(500)) == [("CANCELED", 0, 0)]


def test_an_ioc_walks_a_deep_book() -> None:
    book = PlainBook([(1_000, 1)], [(1_005 + 5 * i, 10) for i in range(100)])
    paper = broker(book=book)
    paper.send("v", "p", command(2_000, 900, tif=TimeInForce.IOC), 0)
    reports = paper.due(100)
    assert len(reports) == 90 and reports[-1][1].filled == 900


def test_gtc_takes_what_crosses_and_rests_with_the_remainder() -> None:
    paper = broker()
    paper.send("v", "p", command(1_005, tif=TimeInForce.GTC), 0)
    assert kinds(paper.due(100)) == [("FILL", 40, 40), ("ACK", 100, 40)]
    assert paper.resting("v")["p", 1].filled == 40


def test_a_book_that_crosses_a_resting_order_fills_it() -> None:
    paper = broker()
    paper.send("v", "p", command(1_000), 0)
    paper.on_book("v", 20, PlainBook([(990, 5)], [(1_000, 500)]))
    assert kinds(paper.due(100)) == [("ACK", 100, 0), ("FILL", 100, 100)]


def test_a_touch_gives_what_it_shows_and_once() -> None:
    paper = broker()
    paper.send("v", "p", command(1_000), 0)
    paper.send("v", "q", command(1_000), 0)
    crossing = [(1_000, 130)]
    paper.on_book("v", 20, PlainBook([(990, 5)], crossing))
    paper.on_book("v", 21, PlainBook([(990, 6)], crossing))
    reports = [(parent, r.qty) for parent, r in paper.due(100) if r.kind == ReportKind.FILL]
    assert reports == [("p", 100), ("q", 30)]
    paper.on_book("v", 110, PlainBook([(990, 6)], [(1_000, 40)]))
    assert kinds(paper.due(200)) == [("FILL", 40, 70)]


def test_orders_at_a_venue_share_a_trade_the_best_price_first() -> None:
    paper = broker()
    for parent, price in (("p", 990), ("q", 1_000), ("r", 995)):
        paper.send("v", parent, command(price), 0)
    paper.on_trade("v", 20, trade(985, 230))
    reports = [(parent, r.qty) for parent, r in paper.due(100) if r.kind == ReportKind.FILL]
    assert reports == [("q", 100), ("r", 100), ("p", 30)]


def test_takers_share_what_is_shown_too() -> None:
    paper = broker()
    paper.send("v", "p", command(1_005, 30, tif=TimeInForce.IOC), 0)
    paper.send("v", "q", command(1_010, tif=TimeInForce.GTC), 0)
    reports = paper.due(100)
    assert [(p, r.price, r.qty) for p, r in reports if r.kind == ReportKind.FILL] == [
        ("p", 1_005, 30), ("q", 1_005, 10), ("q", 1_010, 30),
    ]  # fmt: skip
    paper.on_book("v", 110, BOOK)
    assert kinds(paper.due(200)) == []


def test_a_command_meets_the_book_of_its_own_moment() -> None:
    paper = broker()
    paper.send("v", "p", command(1_005, 40, tif=TimeInForce.IOC), 0)
    paper.due(10)  # the engine calls this before a frame changes the book
    paper.on_book("v", 11, PlainBook([(900, 5)], [(2_000, 5)]))
    assert kinds(paper.due(100)) == [("FILL", 40, 40)]


def test_the_pipes_keep_their_order() -> None:
    draws = iter([50, 1, 50, 1, 1, 1])
    paper = PaperBroker([INSTRUMENT], latency=lambda: next(draws))
    paper.on_book("v", 0, BOOK)
    paper.send("v", "p", command(1_000), 0)
    paper.send("v", "p", cancelling(), 1)
    reports = paper.due(1_000)
    assert [kind for kind, *_ in kinds(reports)] == ["ACK", "CANCELED"]
    assert [r.recv_ns for _, r in reports] == [100, 100]


def test_the_seed_decides_the_latency() -> None:
    def draws(seed: int) -> list[int]:
        draw = Latency(1_000, 500, seed).draws()
        return [draw() for _ in range(20)]

    assert draws(1) == draws(1) != draws(2)
    assert all(1_000 <= ns <= 1_500 for ns in draws(1))


def test_what_can_not_be_is_named() -> None:
    with pytest.raises(ConfigError, match="'V'"):
        broker().send("V", "p", command(1_000), 0)
    with pytest.raises(ConfigError, match="latency"):
        PaperBroker([INSTRUMENT], latency=Latency(-1, 0, 0))
    with pytest.raises(ConfigError, match="cancel_pct"):
        PaperBroker([INSTRUMENT], queue=QueueConfig(101, False))


def market(rng: random.Random, steps: int) -> list[tuple[int, PlainBook | Trade]]:
    """A walk of books, with trades of both aggressors at and around the touch."""
    now, mid, rows = 0, 1_000, []
    for _ in range(steps):
        now += rng.randint(0, 20)
        if rng.random() < 0.5:
            rows.append(
                (now, trade(mid + 5 * rng.randint(-1, 1), rng.randint(1, 80), rng.choice([BUY, SELL])))
            )
        else:
            mid += 5 * rng.choice([0, 0, 0, 1, -1])
            bids = [(mid - 5 * i, rng.randint(1, 90)) for i in range(1, 6)]
            asks = [(mid + 5 * i, rng.randint(1, 90)) for i in range(1, 6)]
            rows.append((now, PlainBook(bids, asks)))
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_chases_over_paper_never_overfill_and_books_agree_at_the_end(seed: int) -> None:
    """Three parents on one venue, driven as the engine does."""
    rng = random.Random(seed)
    queue = QueueConfig(rng.choice([0, 50, 100]), rng.random() < 0.3)
    paper = PaperBroker([INSTRUMENT], latency=Latency(5, 60, seed), queue=queue)
    configs = {
        f"p{i}": chase.configure(
            INSTRUMENT, side=rng.choice(list(Side)), qty=10 * rng.randint(1, 40), pause_ns=20, max_rejects=50,
            deadline_ns=rng.choice([0, 2_000]), on_deadline=chase.OnDeadline.TAKE, max_chase_bps=300,
        )
        for i in range(3)
    }  # fmt: skip
    states = {p: chase.start(c, PlainBook([(995, 1)], [(1_005, 1)]).top()) for p, c in configs.items()}
    filled: Counter[str] = Counter()
    now = 0

    def act(parent: str, step: chase.Step) -> None:
        states[parent] = step.state
        paper.send("v", parent, step.command, now)

    def deliver() -> None:
        for parent, report in paper.due(now):
            assert report.recv_ns <= now
            if report.kind == ReportKind.FILL:
                filled[parent] += report.qty
            act(parent, chase.on_report(configs[parent], states[parent], report))

    for now, event in market(rng, 400):
        deliver()
        if isinstance(event, Trade):
            paper.on_trade("v", now, event)
            continue
        paper.on_book("v", now, event)
        for parent, config in configs.items():
            act(parent, chase.on_top(config, states[parent], event.top()._replace(recv_ns=now)))
        for working in Counter(parent for parent, _ in paper.resting("v")).values():
            assert working == 1
    for parent, config in configs.items():
        act(parent, chase.cancel(config, states[parent], now))
    for _ in range(100):
        now += 20
        deliver()
        for parent, config in configs.items():
            act(parent, chase.on_timer(config, states[parent], now))
    assert paper.resting("v") == {} and paper.next_due_ns() == -1
    for parent, config in configs.items():
        assert states[parent].phase >= chase.Phase.FILLED
        assert filled[parent] == states[parent].filled <= config.qty
    assert filled.total() > 0 or queue.pessimistic
