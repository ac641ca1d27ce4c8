"""The live panel: one pump thread shows what `snapshot()` returns, and the browser's buttons call back.

The panel knows no engine: it is given callables. It shows, and never decides.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import anywidget
import traitlets
from IPython.core.getipython import get_ipython
from IPython.display import publish_display_data

from citadel_kit.clock import MILLISECOND, SECOND, now_ns
from citadel_kit.errors import ConfigError
from citadel_kit.panel.still import Still
from citadel_kit.panel.view import History, View, view
from citadel_kit.types import MacroSignal, MicroSnapshot, Verdict

VIEWER_TIMEOUT_NS: Final = 20 * SECOND
"""A browser answers every 4 s. With none left nothing is sent, or the server would buffer it for ever."""
RESUME_TIMEOUT_NS: Final = 5 * SECOND
"""A resume that waited longer than this behind a busy kernel is no longer what the user meant."""
_HERE: Final = Path(__file__).parent

_open: dict[str, Panel] = {}
_open_lock: Final = threading.Lock()


class PanelWidget(anywidget.AnyWidget):
    """The browser's side. Only the pump thread of its `Panel` writes a trait."""

    _esm = "\n".join((_HERE / name).read_text("utf-8") for name in ("dom.js", "chart.js", "panel.js"))
    _css = (_HERE / "panel.css").read_text("utf-8")

    frame = traitlets.Dict().tag(sync=True)
    """The newest moment; the one trait that is set."""
    history = traitlets.Instance(History).tag(sync=True, to_json=lambda history, _: history.plain())
    """Changes in place, so it is sent only when asked for: a reloaded page finds the charts' past here."""

    def __init__(self, history: History) -> None:
        super().__init__(history=history)


class Panel:
    """A live view of `snapshot()`; display it as the last line of a cell.

    `macro` is the signal or a callable that returns the newest one, `verdict` a callable that returns the
    gate's last word. `past(since_ns)` returns the snapshots later than that, oldest first: with it the charts
    miss nothing of a replay that runs faster than the panel looks. `kill` and `resume` appear as buttons
    where given; they are called in whatever thread the browser's message arrives, so they must be safe from
    any.

    In modes PAPER and LIVE the snapshot's times are those of our clock, and the panel adds what passed since
    to every age. In REPLAY they are the market's; standing still is seen in every mode.

    One panel per `name`: a new one closes the old one, so a cell can be run again. Raises ConfigError for a
    rate outside (0, 30] or a history under 2 points.
    """

    def __init__(
        self,
        snapshot: Callable[[], MicroSnapshot],
        *,
        macro: Callable[[], MacroSignal | None] | MacroSignal | None = None,
        verdict: Callable[[], Verdict | None] | None = None,
        past: Callable[[int], Sequence[MicroSnapshot]] | None = None,
        kill: Callable[[], object] | None = None,
        resume: Callable[[], object] | None = None,
        name: str = "panel",
        rate_hz: float = 10.0,
        history: int = 1200,
    ) -> None:
        if not 0 < rate_hz <= 30:
            raise ConfigError("rate_hz", f"{rate_hz} frames a second", "Choose more than 0 and at most 30")
        if history < 2:
            raise ConfigError("history", f"{history} points are no line", "Choose 2 or more")
        self.name = name
        self._snapshot, self._macro, self._verdict, self._past = snapshot, macro, verdict, past
        self._commands = {k: f for k, f in (("kill", kill), ("resume", resume)) if f is not None}
        self._period_ns = int(SECOND / rate_hz)
        self._history = History(history)
        self._n = self._points = 0
        self._seen_ns = 0
        self._unsent: list[View] = []
        self._stepped = threading.Event()
        self._last: View | None = None
        self._moved_ns = self._heard_ns = now_ns()
        self._said: View | None = None
        self._send_history = False
        self._shown = False
        self._closing, self._wake, self._ready = threading.Event(), threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self._widget: PanelWidget | None = None
        self._thread = threading.Thread(target=self._pump, name=f"citadel-panel-{name}", daemon=True)
        self._take_over()

    def _take_over(self) -> None:
        with _open_lock:
            old = _open.get(self.name)
            if old is not None:
                old.close()
                old._forget()
            self._thread.start()
            self._ready.wait()
            if self._failure is not None:
                raise self._failure
            _open[self.name] = self

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    def close(self) -> None:
        """Stops the pump and leaves a dated still picture where the panel was shown. May be called twice."""
        if self._stop() and self._shown:
            publish_display_data(
                data=self._picture(), transient={"display_id": self._display_id}, update=True
            )

    def still(self) -> Still:
        """A dated picture and text of this moment, or of the last one that could be read."""
        self._await_step()
        shown, fault = self._look()
        if shown is None and self._last is None:
            raise ConfigError("snapshot", f"nothing could be read from it: {fault}")
        return Still(shown or self._last or {}, self._history.plain(), now_ns(), fault)

    def _await_step(self) -> None:
        """Until the pump, which alone writes the history, has looked anew; 2 s at the most."""
        goal, until_ns = self._n + 2, now_ns() + 2 * SECOND
        while self._thread.is_alive() and not self.closed and self._n < goal and now_ns() < until_ns:
            self._stepped.clear()
            self._wake.set()
            self._stepped.wait(0.05)

    def _stop(self) -> bool:
        """True for the call that stopped it. A snapshot() that hangs can't hold up a close beyond 2 s."""
        if self._closing.is_set():
            return False
        self._closing.set()
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)
        return True

    def _forget(self) -> None:
        if self._widget is not None:
            self._widget.layout.close()
            self._widget.close()

    # What a notebook shows and keeps

    @property
    def _display_id(self) -> str:
        return f"citadel-panel-{id(self)}"

    def _ipython_display_(self) -> None:
        data, metadata = self._repr_mimebundle_()
        publish_display_data(data=data, metadata=metadata, transient={"display_id": self._display_id})
        self._shown = True

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple[View, View]:
        """The live widget, and beside it what readers without a kernel see."""
        bundle = None if self._widget is None or self.closed else self._widget._repr_mimebundle_()
        data, metadata = bundle if bundle is not None else ({}, {})
        return data | self._picture(), metadata

    def _picture(self) -> View:
        try:
            return self.still()._repr_mimebundle_()
        except ConfigError as error:  # nothing was ever read: the live view says so too
            return {"text/plain": str(error)}

    # The pump: the one writer

    def _pump(self) -> None:
        try:
            _leave_the_cell()
            widget = self._widget = PanelWidget(self._history)
            widget.on_msg(self._heard)
        except BaseException as error:  # noqa: BLE001  (raised by the constructor, in the caller's thread)
            self._failure = error
            return
        finally:
            self._ready.set()
        due = now_ns()
        while not self._closing.is_set():
            self._step(widget)
            self._stepped.set()
            due = max(due + self._period_ns, now_ns())
            self._wake.wait((due - now_ns()) / SECOND)
            self._wake.clear()
        widget.frame = self._frame()

    def _step(self, widget: PanelWidget) -> None:
        frame = self._frame()
        if now_ns() - self._heard_ns > VIEWER_TIMEOUT_NS:
            return
        if self._send_history:
            self._send_history = False
            widget.send_state("history")
        widget.frame = frame

    def _look(self) -> tuple[View | None, str]:
        """A fault of the engine is something to show, and no reason to fall silent."""
        try:
            signal = self._macro() if callable(self._macro) else self._macro
            verdict = self._verdict() if self._verdict is not None else None
            return view(self._snapshot(), signal, verdict), ""
        except Exception as error:  # noqa: BLE001
            return None, f"{type(error).__name__}: {error}"

    def _frame(self) -> View:
        shown, fault = self._look()
        now = now_ns()
        self._n += 1
        if shown is not None:
            self._catch_up(shown)
            self._last = shown
        points, self._unsent = self._unsent, []
        if points:
            self._moved_ns = now
        real_time = self._last is not None and self._last["mode"] != "REPLAY"
        return {
            "n": self._n,
            "view": self._last,
            "fault": fault,
            "points": points,
            "first": self._history.first,
            "names": self._history.names,
            "standing_ms": (now - self._moved_ns) // MILLISECOND,
            "lag_ms": max(0, now // MILLISECOND - self._last["asof_ms"]) if self._last and real_time else 0,
            "rate_hz": SECOND / self._period_ns,
            "commands": list(self._commands),
            "said": self._said,
            "closed": self.closed,
        }

    def _catch_up(self, shown: View) -> None:
        """Into the history: what passed since the last look, and `shown`."""
        moments = [shown]
        for snapshot in self._past(self._seen_ns) if self._past is not None else ():
            if snapshot.asof_ns // MILLISECOND < shown["asof_ms"]:
                moments.insert(-1, view(snapshot, None, None))
                self._seen_ns = snapshot.asof_ns
        for moment in moments:
            self._points += 1
            point = self._history.add(self._points, moment)
            if point is not None:
                self._unsent.append(point)

    # What the browser says, in whatever thread it arrives

    def _heard(self, _widget: object, content: View, _buffers: object) -> None:
        kind = content.get("kind")
        if kind == "hello" or now_ns() - self._heard_ns > VIEWER_TIMEOUT_NS:
            self._send_history = True
        self._heard_ns = now_ns()
        if kind in self._commands and (kind == "kill" or not self.closed):
            self._do(str(kind), int(content.get("n", 0)))
        self._wake.set()

    def _do(self, name: str, seen: int) -> None:
        late_ns = (self._n - seen) * self._period_ns
        if name == "resume" and late_ns > RESUME_TIMEOUT_NS:
            self._say(
                name, "refused", f"it came {late_ns / SECOND:.0f} s late; press again if you still mean it"
            )
            return
        self._say(name, "running", "")
        try:
            self._commands[name]()
        except Exception as error:  # noqa: BLE001  (a print would appear nowhere: the panel must say it)
            self._say(name, "failed", f"{type(error).__name__}: {error}")
        else:
            self._say(name, "done", "")

    def _say(self, name: str, state: str, text: str) -> None:
        self._said = {"name": name, "state": state, "text": text, "at_ms": now_ns() // MILLISECOND}
        self._wake.set()


def _leave_the_cell() -> None:
    """Lets this thread's messages belong to no cell.

    JupyterLab sends what a widget says back to the place where the widget's own messages came from. Answered
    as part of a cell, a click would wait until that cell has finished.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is not None:
        kernel.set_parent([], {}, channel="shell")


@atexit.register
def _stop_all() -> None:
    for panel in list(_open.values()):
        panel._stop()
