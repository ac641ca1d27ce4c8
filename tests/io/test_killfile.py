"""The kill file: it latches, outlives everything, and what can't be understood kills."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citadel_kit.io import killfile
from citadel_kit.io.killfile import KillState, KillSwitch

NOW = 1_800_000_000_000_000_000


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path, Path]:
    journal = killfile.journal_file(tmp_path / "j" / "main.db")
    return killfile.global_file(tmp_path / "s"), killfile.account_file("main", tmp_path / "s"), journal


def test_each_of_the_three_files_kills_and_only_its_own_arming_ends_that(paths: tuple[Path, ...]) -> None:
    switch = KillSwitch(paths)
    assert switch.check() == ""
    for path in paths:
        killfile.kill(path, "drill", NOW)
        assert switch.check() == "killed at 2027-01-15T08:00:00.000Z: drill"
        assert KillSwitch(paths).check() != ""  # a restart changes nothing
        for other in paths:
            if other != path:
                killfile.arm(other, "wrong file", NOW + 1)
        assert switch.check() != ""
        killfile.arm(path, "over", NOW + 2)
        assert switch.check() == ""


def test_a_kill_that_was_seen_outlives_its_file(paths: tuple[Path, ...]) -> None:
    switch = KillSwitch(paths)
    killfile.kill(paths[0], "drill", NOW)
    assert switch.check() != ""
    paths[0].unlink()
    assert switch.check() != ""
    killfile.arm(paths[0], "over", NOW + 1)
    assert switch.check() == ""


def test_a_kill_that_only_the_journal_knows(paths: tuple[Path, ...]) -> None:
    killfile.arm(paths[1], "long ago", NOW - 1)
    switch = KillSwitch(paths, KillState(True, True, NOW, "by the panel"))
    assert "by the panel" in switch.check()
    killfile.arm(paths[1], "over", NOW + 1)
    assert switch.check() == ""


def test_arming_from_within(paths: tuple[Path, ...]) -> None:
    switch = KillSwitch(paths, KillState(True, True, NOW, "before"))
    killfile.kill(paths[0], "a", NOW)
    paths[2].write_bytes(b"")
    assert switch.check() != ""
    switch.arm("panel", NOW + 1)
    assert switch.check() == ""
    assert KillSwitch(paths).check() == ""
    assert not paths[1].exists()  # what did not kill is not touched


@given(st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_not_understood_kills(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.kill"
    path.write_bytes(content)
    assert killfile.read(path).killed


@pytest.mark.parametrize(
    "content",
    [
        '{"state": "ARMED", "at_ns": 1, "reason": ""}',
        '{"state": "armed", "at_ns": null, "reason": ""}',
        '{"state": "armed", "at_ns": NaN, "reason": ""}',
        '{"state": "armed", "reason": ""}',
        '{"state": ["armed"], "at_ns": 1, "reason": ""}',
        '{"state": "armed", "at_ns": 1, "reason": ""',
        '["armed"]',
        "null",
    ],
)
def test_almost_armed_is_killed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "f.kill"
    path.write_text(content)
    assert killfile.read(path).killed


def test_a_folder_that_is_gone_or_a_file_that_is_none_kills(paths: tuple[Path, ...]) -> None:
    switch = KillSwitch(paths)
    shutil.rmtree(paths[0].parent)
    assert "is gone" in switch.check()
    paths[0].mkdir(parents=True)
    assert "can't be read" in switch.check()


def test_a_full_disk_kills_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.kill"
    killfile.arm(path, "before", NOW)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    killfile.kill(path, "drill", NOW)
    assert killfile.read(path).killed
    with pytest.raises(OSError, match="No space"):
        killfile.arm(path, "over", NOW)
    assert killfile.read(path).killed
    assert [file.name for file in tmp_path.iterdir()] == ["f.kill"]
