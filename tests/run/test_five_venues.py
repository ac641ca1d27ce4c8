"""The live driver on five venues at once, against servers that replay real tapes and fail at random."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from soak import soak
from tape_server import ROLES, TapeServer

from citadel_kit import clock, settings
from citadel_kit.errors import ConfigError
from citadel_kit.io import rest
from citadel_kit.run import live
from citadel_kit.run.live import LiveDriver


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("speed", [1.0, 8.0])
def test_killed_stalled_and_restarted_at_random_every_venue_is_live_and_true_again(
    shared: Path, speed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PUBLISH_NS", 5 * clock.MILLISECOND)
    report = soak(shared / "tapes", seconds=8.0, speed=speed, seed=3, stalls=(5.5,))
    assert not report.problems, report
    assert all(report.fates.values()), report.fates
    assert sum(report.connects.values()) > len(ROLES) + 1, report.connects
    assert set().union(*report.states.values()) >= {"INIT", "SYNCING", "LIVE", "STALE"}, report.states
    assert report.frames > 1_000


def test_the_instruments_of_all_venues_and_what_they_do_not_list(shared: Path) -> None:
    async def ask() -> None:
        for venue, role in ROLES.items():
            server = TapeServer(shared / "tapes", venue, 1.0, 0)
            await server.start()
            try:
                wanted = [(venue, role.played)]
                (found,) = await asyncio.to_thread(rest.fetch_listed, wanted, {venue: server.at})
                known = settings.instrument(role.venue, role.symbol)
                assert (found.venue, found.symbol, found.venue_symbol) == (
                    venue,
                    role.played,
                    role.played_name,
                )
                assert (found.price_decimals, found.qty_decimals) == (
                    known.price_decimals,
                    known.qty_decimals,
                )
                with pytest.raises(ConfigError):
                    await asyncio.to_thread(rest.fetch_listed, [(venue, "XYZ/EUR")], {venue: server.at})
            finally:
                await server.stop()

    asyncio.run(ask())


def test_symbols_and_conversions_are_for_the_venues_that_there_are() -> None:
    with pytest.raises(ConfigError, match="given for kraken, but the venues are binance, kraken"):
        LiveDriver(("binance", "kraken"), {"kraken": "BTC/USD"})
    with pytest.raises(ConfigError, match="kraken is not among the venues binance"):
        LiveDriver(("binance",), conversions={"kraken": "USDT/USD"})
    with pytest.raises(ConfigError, match="unified"):
        LiveDriver(("okx",), "BTC-USDT")
    with pytest.raises(ConfigError, match="none is named"):
        LiveDriver(())
    with pytest.raises(ConfigError, match="named twice"):
        LiveDriver(("binance", "binance"))
