from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from panel_samples import ALLOWED, market, signal

from citadel_kit.errors import ConfigError, EngineClosed
from citadel_kit.panel import Panel, PanelWidget, widget
from citadel_kit.types import MicroSnapshot

DEADLINE = 10.0


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    for panel in list(widget._open.values()):
        panel.close()
    assert pumps() == []


def pumps() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("citadel-panel")]


def moving() -> Callable[[], MicroSnapshot]:
    numbers = count()
    return lambda: market(next(numbers))


def frames(panel: Panel, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first frame the widget was given that satisfies `until`, from now on."""
    assert panel._widget is not None
    found: list[dict[str, Any]] = []
    event = threading.Event()

    def look(change: dict[str, Any]) -> None:
        if not found and until(change["new"]):
            found.append(change["new"])
            event.set()

    panel._widget.observe(look, "frame")
    assert event.wait(DEADLINE), "no such frame came"
    panel._widget.unobserve(look, "frame")
    return found[0]


def say(panel: Panel, kind: str, **more: object) -> None:
    assert panel._widget is not None
    panel._widget._handle_custom_msg({"kind": kind, **more}, [])


def test_the_pump_shows_what_the_snapshot_says() -> None:
    panel = Panel(moving(), macro=signal(), verdict=lambda: ALLOWED, kill=print, rate_hz=30)
    frame = frames(panel, lambda f: f["n"] >= 3)
    assert frame["view"]["symbol"] == "BTC/USDT"
    assert frame["view"]["signal"]["side"] == "BUY"
    assert frame["view"]["verdict"]["allowed"] is True
    assert frame["commands"] == ["kill"]
    assert frame["points"][-1]["n"] == frame["n"]
    assert frame["fault"] == ""


def test_running_a_cell_ten_times_leaves_one_pump_and_close_leaves_none() -> None:
    panels = [Panel(moving(), rate_hz=30) for _ in range(10)]
    assert len(pumps()) == 1
    assert [p.closed for p in panels] == [True] * 9 + [False]
    other = Panel(moving(), name="other")
    assert len(pumps()) == 2
    other.close()
    panels[-1].close()
    panels[-1].close()
    assert pumps() == []


def test_a_panel_that_was_replaced_takes_its_widget_out_of_the_kernel() -> None:
    first = Panel(moving())
    Panel(moving())
    assert first._widget is not None
    assert first._widget.comm is None


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Panel(moving(), colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        PanelWidget(None, colour="red")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "wrong", [{"rate_hz": 0}, {"rate_hz": 31}, {"rate_hz": float("nan")}, {"history": 1}]
)
def test_settings_out_of_range_are_refused_and_start_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Panel(moving(), **wrong)
    assert pumps() == []


def test_a_click_runs_kill_and_the_answer_is_shown() -> None:
    killed = threading.Event()
    panel = Panel(moving(), kill=killed.set, rate_hz=30)
    say(panel, "kill", n=1)
    assert killed.is_set()
    said = frames(panel, lambda f: f["said"] is not None and f["said"]["state"] != "running")["said"]
    assert (said["name"], said["state"]) == ("kill", "done")


def test_a_kill_that_fails_says_so() -> None:
    def refuse() -> None:
        raise EngineClosed("the engine is gone")

    panel = Panel(moving(), kill=refuse, rate_hz=30)
    say(panel, "kill", n=1)
    said = frames(panel, lambda f: f["said"] is not None)["said"]
    assert said["state"] == "failed"
    assert said["text"] == "EngineClosed: the engine is gone"


def test_a_kill_is_heard_however_late_and_a_resume_is_not() -> None:
    done: list[str] = []
    panel = Panel(
        moving(), kill=lambda: done.append("kill"), resume=lambda: done.append("resume"), rate_hz=30
    )
    panel._n = 10_000
    say(panel, "resume", n=1)
    say(panel, "kill", n=1)
    assert done == ["kill"]
    say(panel, "resume", n=panel._n)
    assert done == ["kill", "resume"]
    panel.close()
    say(panel, "resume", n=panel._n)
    say(panel, "kill", n=1)
    assert done == ["kill", "resume", "kill"]


def test_words_the_panel_does_not_know_do_nothing() -> None:
    panel = Panel(moving(), rate_hz=30)
    say(panel, "kill", n=1)
    say(panel, "format the disk")
    assert frames(panel, lambda f: True)["said"] is None


def test_an_engine_that_can_not_be_read_is_shown_with_the_last_moment() -> None:
    broken = threading.Event()

    def snapshot() -> MicroSnapshot:
        if broken.is_set():
            raise EngineClosed("it was closed")
        return market(7)

    panel = Panel(snapshot, rate_hz=30)
    frames(panel, lambda f: f["fault"] == "")
    broken.set()
    frame = frames(panel, lambda f: f["fault"] != "")
    assert frame["fault"] == "EngineClosed: it was closed"
    assert frame["view"]["asof_ms"] == market(7).asof_ns // 1_000_000
    assert "EngineClosed" in panel.still().text


def test_market_time_that_stands_still_is_counted_by_our_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [10**18]
    monkeypatch.setattr(widget, "now_ns", lambda: at[0])
    panel = Panel(lambda: market(7, mode="PAPER"), rate_hz=30)
    panel.close()
    at[0] += 3 * 10**9
    frame = panel._frame()
    assert frame["standing_ms"] == 3000
    assert frame["lag_ms"] == max(0, at[0] // 10**6 - market(7).asof_ns // 10**6)
    panel._snapshot = lambda: market(8)
    frame = panel._frame()
    assert frame["standing_ms"] == 0
    assert frame["lag_ms"] == 0  # in a replay our clock says nothing


def test_with_no_viewer_left_nothing_is_sent_until_one_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel(moving(), rate_hz=30)
    panel.close()
    view = panel._widget
    assert view is not None
    sent: list[str] = []
    monkeypatch.setattr(view, "send_state", lambda key=None: sent.append(str(key)))
    panel._heard_ns = widget.now_ns()
    panel._step(view)
    assert sent == ["frame"]
    panel._heard_ns -= widget.VIEWER_TIMEOUT_NS
    before = len(panel._history.plain()["points"])
    panel._step(view)
    assert sent == ["frame"]
    assert len(panel._history.plain()["points"]) == before + 1
    say(panel, "alive")
    panel._step(view)
    assert sent == ["frame", "history", "frame"]


def test_a_reloaded_page_finds_the_history_without_it_being_sent_with_every_frame() -> None:
    panel = Panel(moving(), rate_hz=30, history=5)
    frames(panel, lambda f: f["n"] >= 8)
    assert panel._widget is not None
    state = panel._widget.get_state("history")["history"]
    assert len(state["points"]) == 5
    assert state["points"][-1]["n"] >= 8


def test_a_saved_notebook_keeps_a_picture_and_text_beside_the_widget() -> None:
    panel = Panel(moving(), rate_hz=30)
    data, _ = panel._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert data["text/plain"].startswith("REPLAY  BTC/USDT")


def test_a_panel_of_an_engine_that_was_never_read_can_still_be_displayed() -> None:
    def snapshot() -> MicroSnapshot:
        raise EngineClosed("it never started")

    panel = Panel(snapshot, rate_hz=30)
    data, _ = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "EngineClosed: it never started" in data["text/plain"]
    with pytest.raises(ConfigError, match="it never started"):
        panel.still()


def test_close_puts_the_still_picture_in_the_place_of_the_live_view(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(widget, "publish_display_data", lambda **message: shown.append(message))
    panel = Panel(moving(), rate_hz=30)
    panel._ipython_display_()
    panel.close()
    panel.close()
    first, last = shown
    assert "application/vnd.jupyter.widget-view+json" in first["data"]
    assert set(last["data"]) == {"image/png", "text/plain"}
    assert last["update"] is True
    assert first["transient"] == last["transient"]


def test_the_script_fetches_nothing_from_anywhere() -> None:
    panel = Panel(moving())
    assert panel._widget is not None
    code = panel._widget._esm + panel._widget._css
    for word in ("http:", "https:", "import(", "import ", "fetch(", "innerHTML", "@import", "url("):
        assert word not in code


def test_with_a_past_the_charts_miss_nothing_between_two_looks() -> None:
    """A replay plays minutes while the panel looks twice."""
    played = [market(i) for i in range(200)]
    shown: list[MicroSnapshot] = [played[0]]

    def past(since_ns: int) -> list[MicroSnapshot]:
        return [s for s in played[: len(shown)] if s.asof_ns > since_ns]

    panel = Panel(lambda: shown[-1], past=past, rate_hz=30)
    frames(panel, lambda f: f["n"] >= 2)
    shown.extend(played[1:])
    text = panel.still().text
    points = panel._history.plain()["points"]
    assert [p["t"] for p in points] == [s.asof_ns // 1_000_000 for s in played]
    assert [p["n"] for p in points] == sorted({p["n"] for p in points})
    assert text
