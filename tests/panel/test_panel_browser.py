"""The panel's script in a real browser, without Jupyter: a page plays the kernel and notes what it sees."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from panel_samples import ALLOWED, START, market, order, signal

from citadel_kit.panel import History, Panel, view

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=40000",
    "--dump-dom",
)
PAGE = """<!doctype html><body><div id="panel" style="width: 1100px"></div><pre id="out"></pre>
<script type="module">
window.requestAnimationFrame = (draw) => setTimeout(draw, 16);  // virtual time draws no frames of its own
__CODE__
const DATA = __DATA__;
const listeners = {}, sent = [], seen = {};
const traits = { frame: {}, history: DATA.history };
const model = {
  get: (key) => traits[key],
  set: (key, value) => { traits[key] = value; (listeners[`change:${key}`] ?? []).forEach((f) => f()); },
  on: (name, f) => { (listeners[name] ??= []).push(f); },
  off: (name, f) => { listeners[name] = listeners[name].filter((g) => g !== f); },
  send: (message) => sent.push(message),
};
const root = document.getElementById("panel");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const text = (selector) => root.querySelector(selector)?.textContent ?? null;
const look = (name) => {
  const rows = [...root.querySelectorAll("tbody tr")];
  seen[name] = {
    stale: root.querySelector(".ck").dataset.stale, alarm: text(".ck-alarm"), badge: text(".ck-badge"),
    cells: rows.map((row) => [...row.cells].map((cell) => cell.textContent)),
    facts: [...root.querySelectorAll("dd")].map((cell) => cell.textContent), said: text(".ck-said"),
  };
};
const stop = render({ model, el: root });
look("opened");
for (const frame of DATA.frames) { model.set("frame", frame); await wait(100); }
look("live");
await wait(5000);
look("silent");
model.set("frame", DATA.paper);
await wait(3000);
look("paper");
model.set("frame", DATA.standing);
await wait(100);
look("standing");
model.set("frame", DATA.live);
await wait(100);
look("real");
const kill = root.querySelector(".ck-kill");
kill.click();
seen.once = sent.filter((m) => m.kind === "kill");
await wait(5000);
kill.click();
seen.tooLate = sent.filter((m) => m.kind === "kill");
kill.click();
seen.twice = sent.filter((m) => m.kind === "kill");
await wait(2500);
look("unanswered");
model.set("frame", DATA.answered);
await wait(100);
look("answered");
stop();
seen.images = root.querySelectorAll("img").length;
seen.listeners = Object.values(listeners).flat().length;
seen.beats = sent.filter((m) => m.kind === "alive").length;
document.getElementById("out").textContent = JSON.stringify(seen);
</script>"""


def frame(n: int, shown: dict[str, Any], points: list[dict[str, Any]], **changes: object) -> dict[str, Any]:
    base = {"n": n, "view": shown, "fault": "", "points": points, "first": 0, "names": [], "standing_ms": 0}
    more = {"lag_ms": 0, "rate_hz": 10.0, "commands": ["kill"], "said": None, "closed": False}
    return {**base, **more, **changes}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    folder = tmp_path_factory.mktemp("browser")
    page = folder / "page.html"
    page.write_text(_page(), "utf-8")
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found = re.search(r'<pre id="out">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the page wrote nothing: {done.stderr[-2000:]}"
    return dict(json.loads(html.unescape(found[1])))


def _page() -> str:
    history = History(50)
    for i in range(5):
        history.add(i, view(market(i), signal(), ALLOWED))
    frames = []
    past = history.plain()
    for i in range(5, 15):
        shown = view(market(i, orders=(order(note="<img src=x onerror=alert(1)>"),)), signal(), ALLOWED)
        frames.append(frame(i, shown, [history.add(i, shown)], names=history.names))
    last = frames[-1]
    said = {"name": "kill", "state": "done", "text": "", "at_ms": START // 1_000_000}
    data = {
        "history": past,
        "frames": frames,
        "paper": last | {"n": 100, "view": last["view"] | {"mode": "PAPER"}, "points": [], "lag_ms": 300},
        "standing": last | {"n": 101, "points": [], "standing_ms": 9000},
        "answered": last | {"n": 103, "points": [], "said": said},
        "live": last | {"n": 102, "view": last["view"] | {"mode": "LIVE"}, "points": []},
    }
    panel = Panel(lambda: market(0), name="browser")
    panel.close()
    assert panel._widget is not None
    code = panel._widget._esm.replace("export default { render };", "")
    written = json.dumps(data).replace("<", "\\u003c")
    return PAGE.replace("__CODE__", code).replace("__DATA__", written)


def test_before_the_first_message_nothing_looks_live(seen: dict[str, Any]) -> None:
    assert seen["opened"]["stale"] == "true"
    assert seen["opened"]["alarm"].startswith("WAITING")
    assert seen["opened"]["badge"] == ""


def test_moving_numbers_are_shown_without_alarm(seen: dict[str, Any]) -> None:
    live = seen["live"]
    assert (live["stale"], live["alarm"], live["badge"]) == ("false", "", "REPLAY")
    binance, _, bybit, working = live["cells"]
    assert binance[:2] == ["binance", "LIVE"]
    assert binance[11:] == ["12 ms", "48 ms"]
    assert bybit[:8] == ["bybit", "GAP", *["–"] * 6]
    assert working[1:5] == ["DRILL", "BUY", "working", "0.0213 / 0.05"]
    assert "64.3 %" in live["facts"]
    assert "ALLOWED" in live["facts"]


def test_text_of_a_venue_is_never_read_as_markup(seen: dict[str, Any]) -> None:
    assert seen["live"]["cells"][3][9] == "<img src=x onerror=alert(1)>"
    assert seen["images"] == 0


def test_a_silent_kernel_is_stale_and_the_seconds_are_said(seen: dict[str, Any]) -> None:
    assert seen["silent"]["stale"] == "true"
    assert re.match(r"STALE · the kernel has been silent for [45]\.\d s", seen["silent"]["alarm"])
    assert seen["silent"]["cells"][0][11] == "12 ms"  # in a replay a venue's age is the market's


def test_outside_a_replay_ages_go_on_while_the_kernel_is_silent(seen: dict[str, Any]) -> None:
    # 12 ms old in the snapshot, which came 300 ms late, and 3 s of silence
    assert re.fullmatch(r"3\.[234] s", seen["paper"]["cells"][0][11])
    assert seen["paper"]["badge"] == "PAPER"


def test_a_market_that_stands_still_is_stale_though_messages_come(seen: dict[str, Any]) -> None:
    assert seen["standing"]["stale"] == "true"
    assert "market time has stood still for 9." in seen["standing"]["alarm"]


def test_real_money_is_said(seen: dict[str, Any]) -> None:
    assert seen["real"]["badge"] == "LIVE · REAL MONEY"


def test_kill_needs_two_clicks_within_four_seconds(seen: dict[str, Any]) -> None:
    assert seen["once"] == []
    assert seen["tooLate"] == []
    assert seen["twice"] == [{"kind": "kill", "n": 102}]


def test_a_kill_without_an_answer_says_so_until_one_comes(seen: dict[str, Any]) -> None:
    assert "NO ANSWER" in seen["unanswered"]["said"]
    assert seen["answered"]["said"] == "kill done at 23:54:13 UTC"


def test_a_view_that_is_closed_leaves_no_listener_and_a_living_one_answers(seen: dict[str, Any]) -> None:
    assert seen["listeners"] == 0
    assert seen["beats"] >= 2
