"""Live equals replay: every input of an engine, in one total order, with the commands that followed.

A `RecordedEngine` writes each input down and then does what an `Engine` does. `replay_inputs` makes the same
engine from the file's header and hands it the same inputs; its commands must be the same, byte for byte.
What the venues answered is among the inputs, so a replay sends nothing and asks nobody.

The file holds market data, orders and fills, and no key: brokers, which have those, are not in it. A record
is a MessagePack array: name of the input, its arguments, those by name. `=` names what was given out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from inspect import signature
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec
import numpy as np

from citadel_kit.errors import CitadelError, ConfigError, DataError
from citadel_kit.io.recordfile import RecordFile, RecordWriter
from citadel_kit.micro.matching import QueueConfig
from citadel_kit.micro.position import ExitConfig
from citadel_kit.run.engine import Engine
from citadel_kit.run.options import Abilities
from citadel_kit.run.outbox import Item, NewParent, Outbox, SendCommand
from citadel_kit.run.paper import Latency, PaperBroker
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.parts import EngineConfig
from citadel_kit.run.trace import Trace
from citadel_kit.settings import Fees
from citadel_kit.types import BookReader, Codec, Command, Instrument, OrderReport, StopCommand, Trade
from citadel_kit.venues import WIRES, codec
from citadel_kit.venues.unified import Unified

INPUTS: Final = (
    "opened", "closed", "frame", "pong", "timer", "report", "judge", "submit", "on_signal", "block",
    "guard_again", "carry_over", "close_position", "cancel", "kill", "cancel_all", "rearm", "drain",
    "advance",
)  # fmt: skip
"""Methods of `Engine` that change what it will decide; beside them `state` is set from outside."""
VERSION: Final = 1
_UNIFIED: Final = "unified"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is made of."""

    version: int
    feeds: list[tuple[str, Instrument]]
    """Wire and instrument."""
    conversions: list[Instrument]
    fees: dict[str, Fees]
    config: EngineConfig
    mode: str
    feed_shows_our_orders: bool
    abilities: dict[str, Abilities]
    paper: tuple[Latency, QueueConfig] | None
    """Where fills are simulated."""


class RecordedEngine(Engine):
    """An engine that writes to `log` what it is told before it acts on it. The log is the caller's to close.

    Raises ConfigError where it could not be made again: for a codec that is not the kit's own, and for a
    paper broker whose latency is a function.
    """

    def __init__(
        self,
        log: RecordWriter,
        feeds: Sequence[tuple[Codec, Instrument]],
        broker: PaperBroker | Outbox,
        fees: Mapping[str, Fees],
        config: EngineConfig,
        *,
        mode: str,
        feed_shows_our_orders: bool,
        conversions: Sequence[Instrument] = (),
    ) -> None:
        self._log, self._busy = log, True
        header = Header(
            version=VERSION,
            feeds=[(_wire(of_venue), instrument) for of_venue, instrument in feeds],
            conversions=list(conversions),
            fees=dict(fees),
            config=config,
            mode=mode,
            feed_shows_our_orders=feed_shows_our_orders,
            abilities={i.venue: broker.abilities(i.venue) for _, i in feeds},
            paper=_simulation(broker),
        )
        log.write(_encode(header))
        super().__init__(
            feeds,
            _Noting(broker, lambda item: log.write(_encode(("=", item, {})))),
            fees,
            config,
            mode=mode,
            feed_shows_our_orders=feed_shows_our_orders,
            conversions=conversions,
        )
        self._busy = False

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state = state
        self._note("state", (state,), {})

    def _note(self, name: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """What one input makes of another is no input."""
        if self._busy:
            return
        self._log.write(_encode((name, args, named)))
        if name == "timer":
            self._log.flush()


def _recorded(name: str) -> Callable[..., Any]:
    plain = getattr(Engine, name)

    @wraps(plain)
    def noted(self: RecordedEngine, *args: Any, **named: Any) -> Any:
        if self._busy:
            return plain(self, *args, **named)
        self._note(name, args, named)
        self._busy = True
        try:
            return plain(self, *args, **named)
        finally:
            self._busy = False

    return noted


for _name in INPUTS:
    setattr(RecordedEngine, _name, _recorded(_name))


class _Noting(Outbox):
    """Another broker, with a look at what the engine gives it."""

    def __init__(self, broker: PaperBroker | Outbox, note: Callable[[Item], None]) -> None:
        self._broker, self._note = broker, note

    def new_parent(self, order: ParentOrder, plan: ExitConfig | None) -> None:
        self._note(NewParent(order, plan))
        self._broker.new_parent(order, plan)

    def closing(self, parent_id: str, plan: ExitConfig, cause: int) -> None:
        self._broker.closing(parent_id, plan, cause)  # follows from inputs and is no command

    def send(self, venue: str, parent_id: str, command: Command | StopCommand, now_ns: int) -> None:
        self._note(SendCommand(venue, parent_id, command, now_ns))
        self._broker.send(venue, parent_id, command, now_ns)

    def abilities(self, venue: str) -> Abilities:
        return self._broker.abilities(venue)

    def take(self) -> list[Item]:
        return self._broker.take() if isinstance(self._broker, Outbox) else []

    def on_book(self, venue: str, now_ns: int, book: BookReader) -> None:
        self._broker.on_book(venue, now_ns, book)

    def on_trade(self, venue: str, now_ns: int, trade: Trade) -> None:
        self._broker.on_trade(venue, now_ns, trade)

    def on_book_lost(self, venue: str, now_ns: int) -> None:
        self._broker.on_book_lost(venue, now_ns)

    def due(self, now_ns: int) -> list[tuple[str, OrderReport]]:
        return self._broker.due(now_ns)

    def next_due_ns(self) -> int:
        return self._broker.next_due_ns()


# --- the way back ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    engine: Engine
    """As it stands after the last input."""
    inputs: int
    recorded: list[bytes]
    """Every parent and command that was given out, in order, as `outbox.Item`s in MessagePack."""
    replayed: list[bytes]
    died_of: tuple[str, ...]
    """What inputs raised that the kit does not raise on purpose."""
    cut_off: bool
    """Does the end of the file lack? Then the last input may have had more commands than were recorded."""

    def __repr__(self) -> str:
        same = "as recorded" if self.differs_at < 0 else f"another from command {self.differs_at} on"
        died = f", {len(self.died_of)} inputs failed" if self.died_of else ""
        return f"<ReplayResult: {self.inputs:,} inputs, {len(self.replayed):,} commands: {same}{died}>"

    @property
    def differs_at(self) -> int:
        """Index of the first command that is not the same; -1: none."""
        pairs = enumerate(zip(self.recorded, self.replayed, strict=False))
        for index, (before, now) in pairs:
            if before != now:
                return index
        shorter, longer = len(self.recorded), len(self.replayed)
        same = shorter == longer or (self.cut_off and shorter < longer)
        return -1 if same else min(shorter, longer)


def replay_inputs(path: str | Path) -> ReplayResult:
    """The inputs of a file into a new engine. Raises DataError for a file that no `RecordedEngine` wrote, or
    one of another version."""
    file = RecordFile(path)
    records = iter(file)
    recorded: list[bytes] = []
    replayed: list[bytes] = []
    engine, broker = _engine(path, next(records, b""), lambda item: replayed.append(_encode(item)))
    died_of: list[str] = []
    inputs = 0
    for record in records:
        name, args, named = _entry.decode(record)
        if name == "=":
            recorded.append(bytes(args))
            continue
        if name != "state" and name not in INPUTS:
            raise DataError(f"{path} has an input {name!r}, which this kit does not know")
        inputs += 1
        try:
            _hand_in(engine, name, args, named)
        except CitadelError:
            pass  # it was refused when it was recorded, too
        except Exception as error:  # noqa: BLE001 - the recorded engine died of it and was told more
            died_of.append(f"{name}: {error!r}")
        engine.take_effects()
        broker.take()
    return ReplayResult(
        engine=engine, inputs=inputs, recorded=recorded, replayed=replayed, died_of=tuple(died_of),
        cut_off=file.cut_off,
    )  # fmt: skip


def _engine(path: str | Path, record: bytes, note: Callable[[Item], None]) -> tuple[Engine, Outbox]:
    try:
        version = msgspec.msgpack.decode(record, type=_Version).version
        if version != VERSION:
            raise DataError(f"{path} is of version {version}; this kit reads {VERSION}")
        header = msgspec.msgpack.decode(record, type=Header)
    except msgspec.MsgspecError as error:
        raise DataError(f"{path} is no recorded session: {error}") from error
    simulated: PaperBroker | Outbox = Outbox(header.abilities)
    if header.paper is not None:
        latency, queue = header.paper
        simulated = PaperBroker([i for _, i in header.feeds], latency=latency, queue=queue)
    broker = _Noting(simulated, note)
    engine = Engine(
        [(_codec(wire, i, header.conversions), i) for wire, i in header.feeds],
        broker,
        header.fees,
        header.config,
        mode=header.mode,
        feed_shows_our_orders=header.feed_shows_our_orders,
        conversions=header.conversions,
    )
    return engine, broker


def _hand_in(engine: Engine, name: str, args: msgspec.Raw, named: msgspec.Raw) -> None:
    if name == "state":
        engine.state = msgspec.msgpack.decode(args, type=tuple[str])[0]
        return
    kinds = _kinds(name)
    given = msgspec.msgpack.decode(args)
    by_name = msgspec.msgpack.decode(named, type=dict[str, Any])
    for place, (value, kind) in enumerate(zip(given, kinds.values(), strict=False)):
        given[place] = msgspec.convert(value, kind, dec_hook=_restored)
    for key, value in by_name.items():
        by_name[key] = msgspec.convert(value, kinds[key], dec_hook=_restored)
    getattr(engine, name)(*given, **by_name)


# --- forms -------------------------------------------------------------------------------------------------


class _Version(msgspec.Struct):
    version: int


def _plain(value: Any) -> Any:
    """What a report is made from afterwards decides nothing. An option of a kind unknown here is its text."""
    if isinstance(value, Trace):
        return None
    if isinstance(value, Mapping):
        return dict(value)
    return value.item() if isinstance(value, np.generic) else str(value)


def _restored(kind: type, value: Any) -> Any:
    return Trace() if kind is Trace else value


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_entry: Final = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw, msgspec.Raw])


@cache
def _kinds(name: str) -> dict[str, Any]:
    """The types of an input's arguments, in order."""
    plain = getattr(Engine, name)
    hints = get_type_hints(plain)
    return {parameter: hints[parameter] for parameter in list(signature(plain).parameters)[1:]}


def _wire(of_venue: Codec) -> str:
    if isinstance(of_venue, Unified):
        return _UNIFIED
    for wire, kind in WIRES.items():
        if kind is type(of_venue):
            return wire
    what = f"the codec of {of_venue.venue} is not the kit's own"
    raise ConfigError("record", what, "Sessions with it can't be recorded")


def _codec(wire: str, instrument: Instrument, conversions: Sequence[Instrument]) -> Codec:
    venue = instrument.venue
    instruments = [instrument, *(i for i in conversions if i.venue == venue)]
    return Unified(instruments, venue) if wire == _UNIFIED else codec(wire, instruments)


def _simulation(broker: PaperBroker | Outbox) -> tuple[Latency, QueueConfig] | None:
    if not isinstance(broker, PaperBroker):
        return None
    if not isinstance(broker.latency, Latency):
        what = "the paper broker's latency is a function"
        raise ConfigError("record", what, "Give a run.paper.Latency")
    return broker.latency, broker.queue
