from __future__ import annotations

import pytest
from msgspec.structs import replace
from panel_samples import ALLOWED, REFUSED, START, market, order, signal

from citadel_kit.panel import History, Still, view
from citadel_kit.types import MacroSignal, Verdict

DRAWN = START + 10**9


def still(verdict: Verdict | None, said: MacroSignal | None, fault: str = "", **changes: object) -> Still:
    history = History(50)
    for i in range(50):
        history.add(i, view(market(i), said, verdict))
    return Still(view(market(50, **changes), said, verdict), history.plain(), DRAWN, fault)


def test_the_picture_is_a_png_and_touches_no_global_figure() -> None:
    import matplotlib.pyplot as plt

    picture = still(ALLOWED, signal())
    assert picture.png.startswith(b"\x89PNG\r\n")
    assert picture.png is picture.png  # drawn once
    assert plt.get_fignums() == []


def test_the_text_carries_date_mode_and_every_verdict() -> None:
    text = still(REFUSED, signal(), orders=(order(),)).text
    for part in (
        "REPLAY  BTC/USDT  2024-08-08 23:54:18.937 UTC (market time)",
        "Still picture of 2024-08-08T23:54:14.937Z",
        "BLOCKED: the signal is 600 s ahead of the market",
        "BUY (valid)",
        "11.8 % of equity",
        "trending, normal",
        "DRILL",
        "0.0213 / 0.05",
        "+0.07",
    ):
        assert part in text


@pytest.mark.parametrize("mode", ["REPLAY", "PAPER", "LIVE"])
def test_an_empty_moment_can_be_drawn(mode: str) -> None:
    nothing = replace(market(), mode=mode, venues=(), orders=())
    picture = Still(view(nothing, None, None), History(2).plain(), DRAWN, "EngineClosed: it was closed")
    assert "none yet" in picture.text
    assert "not asked yet" in picture.text
    assert "Could not be read afresh: EngineClosed" in picture.text
    assert picture.png


def test_a_notebook_gets_both() -> None:
    bundle = still(ALLOWED, signal())._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"}
    assert bundle["image/png"].startswith("iVBOR")
