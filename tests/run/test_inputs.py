"""Live equals replay: the inputs of a session, handed in again, give the same commands, byte for byte."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import pytest

from citadel_kit import settings
from citadel_kit.errors import ConfigError, DataError, GateRefused
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.io.journal import OpenFamily
from citadel_kit.io.keys import Keys
from citadel_kit.io.recordfile import RecordFile, RecordWriter
from citadel_kit.micro import position
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run import resume
from citadel_kit.run.account import Account
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.engine import Engine
from citadel_kit.run.entry import drill
from citadel_kit.run.inputs import INPUTS, RecordedEngine, ReplayResult, _Noting, replay_inputs
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.options import Abilities
from citadel_kit.run.order import Order
from citadel_kit.run.outbox import Outbox
from citadel_kit.run.paper import PaperBroker
from citadel_kit.run.parts import EngineConfig
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import FIRST_STOP_ID, CommandKind, Fill, OrderIntent, OrderView, ReportKind, Side
from citadel_kit.venues import codec

VENUES = ("binance", "kraken")
BTC = settings.instrument("binance", "BTC/USDT")
S = 1_000_000_000
KINDS = {kind.value: kind.name for kind in CommandKind}


class Session(NamedTuple):
    """What a recorded session left."""

    path: Path
    fills: list[Fill]
    views: tuple[OrderView, ...]
    secrets: tuple[str, ...]


def local() -> LocalExchange:
    """Calm, so that the venues' quotes seldom cross: then the gate would refuse what is asked for."""
    return LocalExchange("synthetic", VENUES, annual_volatility=0.02)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Some seconds on a local exchange of two venues, one of which takes orders."""
    folder = tmp_path_factory.mktemp("session")
    with pytest.MonkeyPatch.context() as patch, local() as exchange:
        patch.setenv("CITADEL_STATE", str(folder / "state"))
        at = exchange.ccxt_config("binance")
        keys = {"binance": Keys.of("binance", at["apiKey"], at["secret"])}
        account = Account("local", keys, mode="PAPER", at={"binance": at}, journal=folder / "journal.db")
        ends = {venue: exchange.endpoints(venue) for venue in VENUES}
        driver = LiveDriver(VENUES, at=ends, account=account)
        with HybridConnector(driver, record=folder / "session.inputs") as kit:
            trade(kit)
        views = kit._engine.orders.views()
        assert kit.fills()
        return Session(folder / "session.inputs", list(kit.fills()), views, (at["apiKey"], at["secret"]))


def trade(kit: HybridConnector) -> None:
    """Chases on both sides, an exit plan with a stop at the venue, cancels, a refusal, a kill and a rearm."""
    kit.wait_live()

    wishes: list[OrderIntent] = []

    def submit(side: str, **options: Any) -> Order:
        for _ in range(200):
            with suppress(GateRefused):
                wishes.append(drill(side, kit.snapshot(), kit.instruments["binance"], 300))
                return kit.submit(wishes[-1], **options)
            kit.run_for(0.05)
        raise AssertionError("the gate allows nothing")

    bought = submit("BUY", deadline_s=1, on_deadline="take", stop_bps=300)
    near = submit("BUY", deadline_s=20)
    far = submit("SELL", deadline_s=20, offset=-500)
    assert bought.wait(10).status == "filled"
    kit.run_until(lambda: "stop at the venue" in kit._engine.orders.view("p1").plan, 10)
    far.cancel()
    near.cancel()
    with pytest.raises(GateRefused, match="max_notional"):
        kit.submit(replace(wishes[0], qty=wishes[0].qty * 1_000_000))
    kit.close_position(bought.parent_id)
    submit("BUY", deadline_s=20, offset=-500)
    kit.run_for(0.5)
    kit.kill()
    kit.rearm()
    submit("BUY", deadline_s=20)
    kit.run_for(0.5)


def names(path: Path) -> list[str]:
    return [msgspec.msgpack.decode(record)[0] for record in list(RecordFile(path))[1:]]


def sent(result: ReplayResult) -> set[tuple[str, str]]:
    """Parent and kind of everything that was given out, `STOP` for a protective stop."""
    out = set()
    for item in map(msgspec.msgpack.decode, result.recorded):
        if len(item) == 2:
            out.add((item[0]["parent_id"], "NEW"))
        else:
            _, parent_id, command, _ = item
            out.add((parent_id, KINDS[command[0]] if command[0] < FIRST_STOP_ID else "STOP"))
    return out


@pytest.mark.slow
def test_a_live_session_replayed_gives_the_same_commands_byte_for_byte(session: Session) -> None:
    result = replay_inputs(session.path)
    assert not result.died_of
    assert not result.cut_off
    assert result.recorded == result.replayed
    assert result.differs_at == -1
    assert b"".join(result.recorded) == b"".join(result.replayed)
    assert result.engine.fills == session.fills
    assert repr(result.engine.orders.views()) == repr(session.views)  # NaN is not equal to itself
    assert result.engine.state == "closed"


@pytest.mark.slow
def test_that_session_had_all_in_it_that_makes_commands(session: Session) -> None:
    seen = set(names(session.path))
    assert {"opened", "frame", "timer", "report", "submit", "cancel", "kill", "rearm", "state"} <= seen
    assert {"block", "closed", "close_position", "cancel_all", "="} <= seen
    given_out = sent(replay_inputs(session.path))
    assert {("p1", "PLACE"), ("p1", "STOP"), ("p1x1", "NEW"), ("p1x1", "PLACE")} <= given_out, given_out
    assert {("p3", "CANCEL"), ("p4", "CANCEL"), ("p5", "PLACE")} <= given_out, given_out


@pytest.mark.slow
def test_no_key_is_in_the_file(session: Session) -> None:
    everything = b"".join(RecordFile(session.path))
    for secret in session.secrets:
        assert secret.encode() not in everything


def damaged(session: Session, tmp_path: Path, drop: Any) -> ReplayResult:
    """The session without the first input of which `drop` says so."""
    writer, done = RecordWriter(tmp_path / "other.inputs"), False
    for number, record in enumerate(RecordFile(session.path)):
        if number and not done and drop(*msgspec.msgpack.decode(record)[:2]):
            done = True
        else:
            writer.write(record)
    writer.close()
    assert done
    return replay_inputs(tmp_path / "other.inputs")


@pytest.mark.slow
def test_without_one_frame_of_the_book_the_commands_are_others(session: Session, tmp_path: Path) -> None:
    submitted = names(session.path).index("submit")
    seen = iter(range(1_000_000))

    def is_a_depth_frame_after_the_first_order(name: str, args: list[Any]) -> bool:
        late = next(seen) > submitted
        return late and name == "frame" and args[0] == "binance" and b"depthUpdate" in args[1]

    result = damaged(session, tmp_path, is_a_depth_frame_after_the_first_order)
    assert result.differs_at >= 0


@pytest.mark.slow
def test_without_one_fill_or_one_word_of_the_user_they_are_others_too(
    session: Session, tmp_path: Path
) -> None:
    result = damaged(session, tmp_path, lambda name, args: name == "report" and args[1][0] == ReportKind.FILL)
    assert result.differs_at >= 0
    (tmp_path / "other.inputs").unlink()
    result = damaged(session, tmp_path, lambda name, _: name == "kill")
    assert result.differs_at >= 0


@pytest.mark.slow
def test_a_file_cut_off_is_replayed_to_there(session: Session, tmp_path: Path) -> None:
    whole, path = session.path.read_bytes(), tmp_path / "cut.inputs"
    for share in (0.5, 0.8, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        result = replay_inputs(path)
        assert result.cut_off
        assert result.inputs > 100
        assert result.differs_at == -1


def test_what_is_no_session_is_refused(tmp_path: Path) -> None:
    for number, record in enumerate((b"", b"\xc1", msgspec.msgpack.encode({"version": 99}))):
        writer = RecordWriter(tmp_path / str(number))
        writer.write(record)
        writer.close()
        with pytest.raises(DataError, match=r"no recorded session|version 99"):
            replay_inputs(tmp_path / str(number))


def test_simulated_fills_are_simulated_again(tmp_path: Path) -> None:
    market = SyntheticMarket(start_ns=1_700_000_000 * S, start_price=30_000.0, seed=5, duration_s=60.0)
    path = tmp_path / "replay.inputs"
    with HybridConnector(ReplayDriver(market), record=path) as kit:
        kit.wait_live()
        kit.run_for(1)
        wish = drill("BUY", kit.snapshot(), kit.instruments["alpha"], 3_000)
        kit.submit(wish, deadline_s=2, on_deadline="take")
        kit.run_for(3)
        kit.submit(wish, twap_s=3, twap_slices=3, twap_jitter=0.5, on_deadline="take")
        kit.run_for(5)
    result = replay_inputs(path)
    assert len(result.engine.fills) >= 2
    assert result.engine.fills == kit.fills()
    assert len(result.recorded) > 5
    assert result.recorded == result.replayed
    assert not [t for t in threading.enumerate() if t.name.startswith("citadel-replay")]


def quiet_engine(log: RecordWriter) -> RecordedEngine:
    broker = Outbox({"binance": Abilities(stops=True)})
    config = EngineConfig(SessionConfig(), GateConfig(), GuardConfig())
    feeds = [(codec("binance", [BTC]), BTC)]
    fees = {"binance": settings.fees("binance")}
    return RecordedEngine(log, feeds, broker, fees, config, mode="PAPER", feed_shows_our_orders=True)


def test_a_plan_of_an_earlier_run_is_an_input(tmp_path: Path) -> None:
    log = RecordWriter(tmp_path / "a.inputs")
    engine = quiet_engine(log)
    plan = position.configure(BTC, side=Side.BUY, stop_price=5_900_000, rests=True)
    family = OpenFamily("ab-p1", BTC.symbol, 1, 200 * BTC.lot, 6_000_000, json.dumps(plan._asdict()))
    journal: Any = SimpleNamespace(
        open_families=lambda venue: [family], closed_by_hand=lambda venue, symbol: 0
    )
    (found,), left = resume.open_plans(journal, BTC, iter(["r1"]), 5 * S)
    assert not left
    engine.timer(5 * S)
    engine.guard_again(found.order, found.config, found.state(None))
    engine.carry_over("binance", -3, 6_000_000)
    engine.timer(6 * S)
    log.close()
    result = replay_inputs(tmp_path / "a.inputs")
    assert not result.died_of
    assert sent(result) == {("r1", "NEW"), ("r1", "STOP")}
    assert result.recorded == result.replayed


def test_every_method_of_the_engine_is_an_input_or_a_fact() -> None:
    facts = {"take_effects", "snapshot", "glimpse", "book", "not_live", "routes"}
    methods = {name for name, member in vars(Engine).items() if callable(member) and name[0] != "_"}
    assert methods == facts | set(INPUTS)
    brokers = {name for kind in (Outbox, PaperBroker) for name in vars(kind) if name[0] != "_"}
    assert brokers - {"resting"} <= vars(_Noting).keys()


def test_what_could_not_be_made_again_is_not_recorded(tmp_path: Path) -> None:
    log = RecordWriter(tmp_path / "a.inputs")
    broker = PaperBroker([BTC], latency=lambda: 5)
    config = EngineConfig(SessionConfig(), GateConfig(), GuardConfig())
    with pytest.raises(ConfigError, match="latency"):
        RecordedEngine(
            log,
            [(codec("binance", [BTC]), BTC)],
            broker,
            {},
            config,
            mode="PAPER",
            feed_shows_our_orders=False,
        )
    log.close()
