"""What outlives an engine: a kill, and the guard's FLATTEN."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadel_kit.io.journal import Journal
from citadel_kit.io.killfile import arm, global_file
from citadel_kit.io.lease import Lease
from citadel_kit.micro.guard import GuardConfig, GuardStep, Trip
from citadel_kit.run.brakes import Brakes
from citadel_kit.run.watch import Watch

GO = (GuardStep.GO.value, Trip.NONE.value, "ok")
PAUSED = (GuardStep.PAUSE.value, Trip.SPREAD.value, "the spread")
FLAT = (GuardStep.FLATTEN.value, Trip.FALL.value, "the mid fell; FLATTEN")


class Engine:
    """Its guard, as far as brakes move it."""

    def __init__(self) -> None:
        self.watch, self.blocked = Watch(GuardConfig(), {}), ""

    def block(self, why: str) -> None:
        self.blocked = why

    def kill(self, step: GuardStep = GuardStep.REDUCE) -> None:
        self.watch.trip(1, step)

    def rearm(self) -> None:
        self.watch.rearm(1)


class Run:
    """One start on the same journal."""

    def __init__(self, folder: Path) -> None:
        self.engine, self.journal = Engine(), Journal(folder / "j.db")
        self.lease = Lease("main", ["v"], 1, known=self.journal.prefixes())
        self.journal.start_run(self.lease.prefix, "main", "PAPER", 1)
        self.brakes = Brakes("main", self.journal, self.lease, self.engine)
        self.brakes.look()

    @property
    def step(self) -> GuardStep:
        return GuardStep(self.engine.watch.state.step)

    def end(self) -> list[str]:
        """Kinds of all events so far."""
        self.brakes.see(self.engine.watch.stands)
        self.lease.release(2)
        self.journal.close()
        with Journal.open_readonly(Path(self.journal.path)) as reader:
            return list(reader.events().kind)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITADEL_STATE", str(tmp_path / "state"))


def test_each_step_of_the_guard_is_written_once(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for stands in (GO, PAUSED, PAUSED, (*PAUSED[:2], "a wider spread"), GO, FLAT, FLAT):
        run.brakes.see(stands)
    run.lease.release(2)
    run.journal.close()
    with Journal.open_readonly(tmp_path / "j.db") as reader:
        events = reader.events()
    assert list(zip(events.kind, events.text, strict=True)) == [
        ("trip", "the spread"),
        ("calm", "ok"),
        ("flatten", "the mid fell; FLATTEN"),
    ]


def test_flatten_stands_over_starts_until_it_is_armed_from_within(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.brakes.see(FLAT)
    run.end()
    for _ in range(2):
        run = Run(tmp_path)
        assert run.step == GuardStep.FLATTEN
        assert "the mid fell" in run.engine.blocked
        run.end()
    run = Run(tmp_path)
    run.brakes.rearm()
    run.engine.rearm()
    assert (run.step, run.engine.blocked) == (GuardStep.GO, "")
    assert run.end()[-2:] == ["arm", "calm"]
    run = Run(tmp_path)
    assert (run.step, run.engine.blocked) == (GuardStep.GO, "")
    run.brakes.kill("by hand")
    run.end()
    run = Run(tmp_path)
    assert run.step == GuardStep.REDUCE  # a kill is no FLATTEN
    run.end()


def test_flatten_is_armed_by_a_file(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.brakes.see(FLAT)
    run.end()
    run = Run(tmp_path)
    assert run.step == GuardStep.FLATTEN
    arm(global_file(), "test", 1 << 62)
    run.brakes.look()
    assert (run.step, run.engine.blocked) == (GuardStep.GO, "")
    run.end()
