"""The live driver against a venue on loopback: handmade frames, and the real tape where there is one."""

from __future__ import annotations

import asyncio
import gzip
import math
import threading
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from local_venue import FRAMES, SNAPSHOT, LocalVenue, black_hole, depth, nobody, snapshot, ticker, trade

from citadel_kit import ladder, settings
from citadel_kit.errors import ConfigError, EngineClosed, LeaseHeld, VenueUnreachable
from citadel_kit.io.stream import StreamConfig
from citadel_kit.io.tape import Tape
from citadel_kit.micro import flow
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run import live
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.engine import Engine
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.paper import PaperBroker
from citadel_kit.run.parts import EngineConfig
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import FeedState, MicroSnapshot, OrderIntent, Side

pytestmark = pytest.mark.filterwarnings("error")

QUICK = SessionConfig(backoff_floor_ns=1_000_000, backoff_cap_ns=2_000_000)
SYMBOL = "BTC/USDT"
DEPTH_PATH = "/api/v3/depth?symbol=BTCUSDT&limit=1000"


class World:
    """An engine with a driver, and every snapshot that was published."""

    def __init__(self, driver: LiveDriver | ReplayDriver, session: SessionConfig = QUICK) -> None:
        instruments = {i.venue: i for _, i in driver.feeds}
        self.driver, self.published = driver, list[MicroSnapshot]()
        self.failures: list[Exception] = []
        self.engine = Engine(
            driver.feeds,
            PaperBroker(instruments.values()),
            {venue: settings.fees(venue) for venue in instruments},
            EngineConfig(session, GateConfig(), GuardConfig()),
            mode=driver.mode,
            feed_shows_our_orders=driver.feed_shows_our_orders,
        )
        self.feed = self.engine.sessions["binance"].feeds[SYMBOL]

    def publish(self) -> None:
        self.published.append(self.engine.snapshot())

    def fail(self, error: Exception) -> None:
        self.failures.append(error)

    async def until(self, stop: Callable[[], bool]) -> None:
        await self.driver.play(10.0, stop)
        assert stop(), self.engine.snapshot()

    async def at(self, seq: int) -> None:
        """Until the book is LIVE at this sequence."""
        await self.until(lambda: self.feed.state == FeedState.LIVE and self.feed.book.seq == seq)

    def levels(self) -> tuple[list[list[int]], list[list[int]]]:
        book = self.feed.book
        return book.levels(Side.BUY, 100_000).tolist(), book.levels(Side.SELL, 100_000).tolist()

    def states(self) -> list[FeedState]:
        """As published, each once."""
        seen = [s.venue("binance").state for s in self.published]
        return [seen[0], *(b for a, b in pairwise(seen) if a != b)]


@pytest.fixture(autouse=True)
def every_change_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PUBLISH_NS", 0)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    ladder.warm_up()  # so that the compiler's own thread, which can't be interrupted, ends at once
    flow.warm_up()
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(2)
    assert not [thread for thread in left if thread.is_alive()]


def driver_of(venue: LocalVenue, **options: Any) -> LiveDriver:
    defaults: dict[str, Any] = {"snapshot_gap_s": 0.0, "stream": StreamConfig(close_s=0.2)}
    return LiveDriver(at={"binance": venue.at}, **defaults | options)


def play(
    venue: LocalVenue,
    scenario: Callable[[World], Awaitable[None]],
    session: SessionConfig = QUICK,
    **options: Any,
) -> World:
    """Start, let the scenario happen, stop; nothing is left, neither here nor at the venue."""
    world = World(driver_of(venue, **options), session)

    async def run() -> None:
        await world.driver.start(world.engine, world.publish, world.fail)
        try:
            await scenario(world)
        finally:
            await world.driver.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        for _ in range(200):  # the venue hears of it a moment later
            if not venue.sockets:
                break
            await asyncio.sleep(0.01)
        assert not venue.sockets
        assert world.feed.state == FeedState.INIT

    asyncio.run(run())
    return world


def test_the_book_gets_live() -> None:
    async def scenario(world: World) -> None:
        await world.at(106)
        view = world.engine.snapshot().venue("binance")
        assert (view.bid, view.bid_qty, view.ask, view.ask_qty) == (60000.0, 1.5, 60000.02, 2.5)
        assert (view.counts["oracle_agrees"], view.counts["oracle_disagrees"], view.counts["gaps"]) == (
            2,
            0,
            0,
        )

    with LocalVenue() as venue:
        world = play(venue, scenario)
        assert venue.subscriptions == [
            {
                "method": "SUBSCRIBE",
                "params": ["btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@trade"],
                "id": 1,
            }
        ]
        assert venue.asked.count(DEPTH_PATH) == 1
    assert (world.driver.mode, world.driver.feed_shows_our_orders) == ("PAPER", False)
    assert world.driver.feeds[0][1] == settings.instrument("binance", SYMBOL)


def test_the_book_is_the_replays_on_the_same_real_frames(shared: Path, tmp_path: Path) -> None:
    with gzip.open(shared / "tapes" / "binance_spot_btcusdt.tape.gz") as file:
        lines = list(islice(file, 4000))
    (tmp_path / "tape").write_bytes(b"".join(lines))
    raws = [line.partition(b" ")[2].strip() for line in lines]
    bodies = [raw for raw in raws if raw.startswith(b'{"lastUpdateId"')]
    assert len(bodies) == 1

    replayed = World(ReplayDriver(Tape(tmp_path / "tape", settings.instrument("binance", SYMBOL))))

    async def replay() -> None:
        await replayed.driver.start(replayed.engine, replayed.publish, replayed.fail)
        await replayed.driver.play(1e6, lambda: False)

    async def scenario(world: World) -> None:
        await world.at(replayed.feed.book.seq)
        assert world.levels() == replayed.levels()
        assert world.feed.counts["applied"] > 100
        assert world.feed.counts["oracle_agrees"] > 10
        assert world.feed.counts["gaps"] == world.feed.counts["corrupt"] == 0

    asyncio.run(replay())
    with LocalVenue([[raw for raw in raws if raw not in bodies]], bodies) as venue:
        play(venue, scenario)


def test_a_cut_connection_is_opened_again_and_no_quote_comes_from_it_meanwhile() -> None:
    again = [depth(901, 905, [("59000.00", "1.0")]), depth(906, 907)]
    body = snapshot(900, [("58999.00", "1.0")], [("59001.00", "1.0")])

    async def scenario(world: World) -> None:
        await world.at(106)
        await asyncio.to_thread(venue.cut)
        await world.at(907)
        assert world.levels()[0] == [[5_900_000, 100_000_000], [5_899_900, 100_000_000]], (
            "none of the old book"
        )

    with LocalVenue([FRAMES, again], [SNAPSHOT, body]) as venue:
        world = play(venue, scenario)
        assert venue.connections == 2
    syncing, is_live, init = FeedState.SYNCING, FeedState.LIVE, FeedState.INIT
    assert world.states() == [syncing, is_live, init, syncing, is_live]
    reasons = {v.state_reason for s in world.published if (v := s.venue("binance")).state == init}
    assert len(reasons) == 1 and "the connection ended" in reasons.pop()
    for published in world.published:
        if published.venue("binance").state != is_live:
            assert math.isnan(published.quote.bid) and math.isnan(published.quote.ask)


def test_a_snapshot_older_than_the_buffer_is_fetched_again() -> None:
    old = snapshot(50, [("1.00", "1.0")], [("2.00", "1.0")])

    async def scenario(world: World) -> None:
        await world.at(106)
        assert world.levels()[0][0] == [6_000_000, 150_000_000]

    with LocalVenue(snapshots=[old, old, SNAPSHOT]) as venue:
        play(venue, scenario)
        assert venue.asked.count(DEPTH_PATH) == 3
        assert venue.connections == 1


def test_snapshots_are_not_asked_for_in_a_storm() -> None:
    old = snapshot(50, [("1.00", "1.0")], [("2.00", "1.0")])

    async def scenario(world: World) -> None:
        await world.until(lambda: world.feed.counts["syncs"] == 1)
        await asyncio.sleep(0.2)

    with LocalVenue(snapshots=[old]) as venue:
        play(venue, scenario, snapshot_gap_s=3600.0)
        assert venue.asked.count(DEPTH_PATH) == 1


def test_a_silent_subscription_is_given_up() -> None:
    async def scenario(world: World) -> None:
        await world.at(106)

    with LocalVenue([[], FRAMES]) as venue:
        world = play(venue, scenario, QUICK._replace(silent_ns=300_000_000))
        assert venue.connections == 2
    assert any("no book update ever came" in s.venue("binance").state_reason for s in world.published)


def test_a_refused_snapshot_closes_the_connection_and_the_next_one_works() -> None:
    async def scenario(world: World) -> None:
        reason = f"no book snapshot: 127.0.0.1:{venue.port}: the answer was HTTP 503"
        await world.until(lambda: any(s.venue("binance").state_reason == reason for s in world.published))
        venue.status.clear()
        await world.at(106)

    with LocalVenue() as venue:
        venue.status["/api/v3/depth"] = 503
        play(venue, scenario)
        assert venue.connections >= 2


def test_a_venue_that_wants_to_be_left_alone_is() -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: "HTTP 429" in world.feed.reason)
        await asyncio.sleep(0.3)

    with LocalVenue() as venue:
        venue.status["/api/v3/depth"], venue.headers = 429, {"Retry-After": "3600"}
        play(venue, scenario)
        assert venue.connections == 1


def test_an_announced_shutdown_is_a_planned_reconnection() -> None:
    async def scenario(world: World) -> None:
        await world.at(106)
        await asyncio.to_thread(venue.push, b'{"e":"serverShutdown","E":1770123456789}')
        await world.until(lambda: venue.connections == 2)
        await world.at(106)

    with LocalVenue() as venue:
        world = play(venue, scenario)
    reasons = {s.venue("binance").state_reason for s in world.published}
    assert "renewed before the venue ends it: serverShutdown" in reasons


def test_a_refused_subscription_is_not_repeated_at_once() -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: "subscription refused" in world.feed.reason)
        await asyncio.sleep(0.3)

    refusal = b'{"id":1,"error":{"code":2,"msg":"Invalid request"}}'
    with LocalVenue([[refusal]]) as venue:
        play(venue, scenario, SessionConfig())
        assert venue.connections == 1


def test_while_the_venue_is_away_it_is_tried_again_and_again() -> None:
    async def scenario(world: World) -> None:
        await world.at(106)
        venue.status["/stream"] = 503
        await asyncio.to_thread(venue.cut)
        await world.until(lambda: venue.asked.count("/stream") >= 4)
        assert world.feed.state == FeedState.INIT
        assert "HTTP 503" in world.feed.reason
        venue.status.clear()
        await world.at(106)

    with LocalVenue() as venue:
        play(venue, scenario)


def test_what_the_engine_does_not_survive_stops_the_trading_and_is_raised() -> None:
    async def scenario(world: World) -> None:
        await world.at(106)

        def fail(*_: object) -> None:
            raise RuntimeError("a mistake of ours")

        world.engine.frame = fail  # type: ignore[method-assign]
        await asyncio.to_thread(venue.push, depth(107, 107))
        with pytest.raises(RuntimeError, match="a mistake of ours"):
            await world.driver.play(10.0, lambda: False)
        assert [str(error) for error in world.failures] == ["a mistake of ours"]

    with LocalVenue() as venue:
        play(venue, scenario)


def test_one_driver_drives_one_engine_and_the_second_leaves_the_first_alone() -> None:
    async def scenario(world: World) -> None:
        await world.at(106)
        driver = world.driver

        async def second() -> None:
            with pytest.raises(LeaseHeld, match="this driver is in use"):
                await driver.start(world.engine, world.publish, world.fail)
            await driver.stop()  # as its host does then

        await asyncio.to_thread(lambda: asyncio.run(second()))
        await asyncio.to_thread(venue.push, depth(107, 107))
        await world.at(107)

    with LocalVenue() as venue:
        play(venue, scenario)


def test_after_the_stop_there_is_nothing_to_wait_for() -> None:
    async def scenario(world: World) -> None:
        await world.driver.stop()
        await world.driver.stop()
        with pytest.raises(EngineClosed, match="start again"):
            await world.driver.play(1.0, lambda: False)

    with LocalVenue() as venue:
        play(venue, scenario)


def test_an_unreachable_rest_host_is_known_when_the_driver_is_made() -> None:
    with pytest.raises(VenueUnreachable, match="refuses connections"):
        LiveDriver(at={"binance": nobody()})
    with black_hole() as at, pytest.raises(VenueUnreachable, match="did not answer"):
        LiveDriver(at={"binance": at}, reach_s=0.2)
    with pytest.raises(ConfigError, match="Known: binance"):
        LiveDriver(("nowhere",))


def test_an_unreachable_stream_is_known_at_the_start() -> None:
    with LocalVenue() as venue, black_hole() as hole:
        for stream, text in ((nobody().stream, "refuses connections"), (hole.stream, "did not answer")):
            at = {"binance": venue.at._replace(stream=stream)}
            driver = LiveDriver(at=at, stream=StreamConfig(open_s=0.2))
            with pytest.raises(VenueUnreachable, match=text):
                HybridConnector(driver, name="unreachable")
        venue.status["/stream"] = 451
        with pytest.raises(VenueUnreachable, match="does not serve this region"):
            HybridConnector(driver_of(venue), name="unreachable")


def test_a_paper_order_is_filled_by_the_venues_trades() -> None:
    with LocalVenue() as venue, HybridConnector(driver_of(venue), session=QUICK, name="live") as kit:
        assert kit.wait_live().mode == "PAPER"
        order = kit.submit(
            OrderIntent(venue="binance", symbol=SYMBOL, side=Side.BUY, qty=10_000_000, forced=True)
        )
        kit.run_for(0.3)  # both ways of the simulated wire
        venue.push(
            trade(2, "60000.00", "1.5", seller_takes=True),
            trade(3, "60000.00", "0.2", seller_takes=True),
            ticker(108, "59999.99", "2.0", "60000.02", "2.5"),
            depth(107, 108, [("60000.00", "0")]),
        )
        view = kit.wait(order.parent_id, 5.0)
        assert (view.status, view.filled, view.average_price) == ("filled", 0.1, 60000.0)
        assert [fill.maker for fill in kit.fills()] == [True]
    assert kit.snapshot().venue("binance").state == FeedState.INIT
