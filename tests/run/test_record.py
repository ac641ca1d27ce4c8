"""Recording against servers on loopback: what is on the tape verifies as it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from local_venue import FRAMES, SNAPSHOT, LocalVenue, depth, nobody
from loopback import speaking
from websockets.asyncio.server import ServerConnection

from citadel_kit.errors import DataError, VenueUnreachable
from citadel_kit.io.tape import TapeFile
from citadel_kit.run.record import RecordConfig, Recording, record
from citadel_kit.run.verify import TapeReport, replay
from citadel_kit.settings import instrument
from citadel_kit.types import Instrument
from citadel_kit.venues import Endpoints

pytestmark = pytest.mark.filterwarnings("error")

BTC = instrument("binance", "BTC/USDT")
Handler = Callable[[ServerConnection], Awaitable[None]]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(recording: Recording) -> AsyncIterator[Recording]:
    """Ends it in good order, and leaves no task."""
    task = asyncio.create_task(recording.run())
    try:
        yield recording
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@asynccontextmanager
async def recorded(
    handler: Handler, of: Instrument, folder: Path, config: RecordConfig | None = None
) -> AsyncIterator[Recording]:
    async with speaking(handler) as port:
        at = Endpoints(f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}")
        async with running(Recording(of, folder, at, config, draw=lambda: 0.0)) as recording:
            yield recording


def verified(path: Path, of: Instrument) -> TapeReport:
    return replay(TapeFile(path), of)


def test_stream_and_snapshot_stand_on_the_tape(tmp_path: Path) -> None:
    async def scenario() -> Path:
        with LocalVenue() as venue:
            async with running(Recording(BTC, tmp_path, venue.at)) as recording:
                await until(lambda: recording.recorder.frames == len(FRAMES) + 2)
                venue.push(depth(107, 108, [("60000.00", "7.0")]))
                await until(lambda: recording.recorder.frames == len(FRAMES) + 3)
        return recording.recorder.files[0]

    path = asyncio.run(scenario())
    raws = [raw for _, raw in TapeFile(path)]
    assert raws[0] == b'{"result":null,"id":1}'
    assert raws.count(SNAPSHOT) == 1
    assert [raw for raw in raws[1:-1] if raw != SNAPSHOT] == FRAMES
    report = verified(path, BTC)
    assert (report.clean, report.cut_off, report.snapshots) == (True, False, 1)
    assert (report.applied, report.oracle_agreements) == (4, 2)


def test_a_gap_brings_another_snapshot_onto_the_tape(tmp_path: Path) -> None:
    later = SNAPSHOT.replace(b"100", b"200", 1)

    async def scenario() -> Path:
        with LocalVenue(snapshots=[SNAPSHOT, later]) as venue:
            async with running(Recording(BTC, tmp_path, venue.at)) as recording:
                await until(lambda: recording.recorder.frames == len(FRAMES) + 2)
                venue.push(depth(150, 160), depth(161, 220))
                await until(lambda: recording.recorder.frames == len(FRAMES) + 5)
        return recording.recorder.files[0]

    report = verified(asyncio.run(scenario()), BTC)
    assert (report.gaps, report.resyncs, report.snapshots, report.final_state) == (1, 1, 2, "LIVE")


def test_a_new_file_by_size_begins_with_a_snapshot_of_its_own(tmp_path: Path) -> None:
    async def scenario() -> list[Path]:
        with LocalVenue(snapshots=[SNAPSHOT, SNAPSHOT.replace(b"100", b"106", 1)]) as venue:
            config = RecordConfig(part_bytes=1, flush_s=0.0)
            async with running(Recording(BTC, tmp_path, venue.at, config)) as recording:
                await until(lambda: recording.recorder.frames >= len(FRAMES) + 2)
                seq = 106
                for _ in range(3):
                    seq += 1
                    venue.push(depth(seq, seq))
                    await asyncio.sleep(0.3)
        return recording.recorder.files

    files = asyncio.run(scenario())
    assert len(files) >= 3
    frames = [line for path in files for line in TapeFile(path)]
    assert [ns for ns, _ in frames] == sorted(ns for ns, _ in frames)
    assert not any(TapeFile(path).cut_off for path in files)
    raws = [raw for _, raw in frames]
    assert [raw for raw in raws if b"depthUpdate" in raw][-3:] == [depth(n, n) for n in (107, 108, 109)]
    assert sum(b"lastUpdateId" in raw for raw in raws) >= 3


def bybit(u: int, kind: str = "delta") -> str:
    data = {"s": "BTCUSDT", "b": [["99.5", "1.25"]], "a": [["100.25", "2"]], "u": u, "seq": u}
    return json.dumps({"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": u, "data": data})


def test_where_snapshots_stream_a_new_file_asks_for_one(tmp_path: Path) -> None:
    """And pings are sent where the venue wants them."""
    of, heard = instrument("bybit", "BTC/USDT"), []

    async def handler(server: ServerConnection) -> None:
        u = 0
        async for text in server:
            request = json.loads(text)
            heard.append(request["op"])
            if request["op"] == "subscribe":
                await server.send(bybit(u := u + 10, "snapshot"))
                for _ in range(3):
                    await server.send(bybit(u := u + 1))

    async def scenario() -> list[Path]:
        config = RecordConfig(part_s=0.3, ping_s=0.1)
        async with recorded(handler, of, tmp_path, config) as recording:
            await until(lambda: len(recording.recorder.files) == 3)
            await until(lambda: recording.recorder.frames == 12)
        assert recording.connections == 1
        return recording.recorder.files

    for path in asyncio.run(scenario()):
        report = verified(path, of)
        assert (report.clean, report.frames, report.links_checked) == (True, 4, 3)
    assert heard.count("ping") > 3
    assert heard.count("unsubscribe") == heard.count("subscribe") - 1 >= 2


def coinbase(seq: int, kind: str = "update") -> str:
    updates = [{"side": "bid", "price_level": "0.00001", "new_quantity": "5", "event_time": ""}]
    events = [{"type": kind, "product_id": "SKL-BTC", "updates": updates}]
    time = "2026-08-02T03:35:51.660084Z"
    return json.dumps({"channel": "l2_data", "timestamp": time, "sequence_num": seq, "events": events})


def test_a_new_connection_is_a_new_file(tmp_path: Path) -> None:
    """At a lost connection, and at the end of a file where only that brings a snapshot."""
    of, connections = instrument("coinbase", "SKL/BTC"), 0

    async def handler(server: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await server.send(coinbase(0, "snapshot"))
        await server.send(coinbase(1))
        if connections == 1:
            await server.close(1001, "maintenance")
        await server.wait_closed()

    async def scenario() -> list[Path]:
        async with recorded(handler, of, tmp_path, RecordConfig(part_s=0.5)) as recording:
            await until(lambda: recording.recorder.frames == 6)
        assert recording.connections == 3
        return recording.recorder.files

    files = asyncio.run(scenario())
    assert len(files) == 3
    for path in files:
        report = verified(path, of)
        assert (report.clean, report.frames, report.cut_off) == (True, 2, False)


def test_what_cannot_be_reached_ends_all_with_one_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        with LocalVenue() as venue:
            good, bad = Recording(BTC, tmp_path, venue.at), Recording(BTC, tmp_path, nobody())
            with pytest.raises(VenueUnreachable, match="refuses connections"):
                await record([good, bad], 0, lambda: None)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_a_full_disk_ends_it_with_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    async def scenario() -> None:
        with LocalVenue() as venue:
            recording = Recording(BTC, tmp_path / "file", venue.at)
            with pytest.raises(DataError, match="can't be written"):
                await record([recording], 10, lambda: None)

    asyncio.run(scenario())


def test_it_stops_by_itself_after_the_seconds(tmp_path: Path) -> None:
    async def scenario() -> None:
        with LocalVenue() as venue:
            recording, shown = Recording(BTC, tmp_path, venue.at), []
            await record([recording], 1.0, lambda: shown.append(recording.recorder.frames))
        assert shown[-1] == recording.recorder.frames == len(FRAMES) + 2
        assert not TapeFile(recording.recorder.files[0]).cut_off

    asyncio.run(scenario())
