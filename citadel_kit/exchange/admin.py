"""The admin calls of a local exchange: what is there, faults, a crash, a restart. There is no password."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.venue import Venue
from citadel_kit.exchange.world import World

WARNING: Final = "This is not an exchange. Nothing here is real."
_MOST_DOWN_S: Final = 3600.0

EXAMPLES: Final[tuple[tuple[dict[str, Any], str], ...]] = (
    ({"latency_ms": 250}, "on top of the venue's own, each way"),
    ({"disconnect": True}, "every stream is cut, and none can be opened"),
    ({"freeze_book": True}, "streams tell nothing of the market; heartbeats, orders and REST go on"),
    ({"lose": 0.01}, "this share of the market's frames never comes"),
    ({"duplicate": 0.01}, "comes twice"),
    ({"reorder": 0.01}, "comes after the one that follows it"),
    ({"http_error": 0.5, "http_status": 503, "http_moment": "after"}, "before or after it took effect"),
    ({"timeout": 0.5, "timeout_moment": "after"}, "no answer at all; before or after it took effect"),
    ({"late_report": 0.5, "late_report_ms": 500}, "execution reports come late"),
    ({"duplicate_report": 0.5}, "execution reports come twice"),
    ({"reject": "post_only", "reject_probability": 0.5}, "or balance, filter, rate_limit"),
    ({"maintenance": True}, "every request is refused, every stream cut"),
    ({"clock_skew_ms": 1500}, "the venue's clock runs ahead"),
)
"""Of every switch of `faults.FaultConfig`."""


class Admin:
    """`restart`: is called with the seconds it is to be gone, and must not do it before the answer left."""

    def __init__(self, world: World, restart: Callable[[float], None]) -> None:
        self._world, self._restart_soon = world, restart

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/admin", self._list),
            web.get("/admin/status", self._status),
            web.post("/admin/restart", self._restart),
            web.post("/admin/crash", self._crash),
            web.post("/admin/{venue}/faults", self._faults),
            web.delete("/admin/{venue}/faults", self._faults),
            web.post("/admin/{venue}/disconnect", self._disconnect),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        return web.Response(text=calls(f"http://{request.host}/admin", list(self._world.venues)))

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(status(self._world))

    async def _faults(self, request: web.Request) -> web.Response:
        venue = self._venue(request)
        if request.method == "DELETE":
            venue.faults.clear()
        else:
            try:
                switches = await request.json()
                venue.faults.set(**switches)
            except (ConfigError, ValueError, TypeError) as error:
                return _wrong(error)
        return web.json_response(status(self._world)["venues"][venue.name])

    async def _crash(self, request: web.Request) -> web.Response:
        try:
            how = await request.json() if request.can_read_body else {}
            self._world.catch_up()
            self._world.crash(**how)
        except (ConfigError, ValueError, TypeError) as error:
            return _wrong(error)
        return web.json_response({"crashing": True})

    async def _disconnect(self, request: web.Request) -> web.Response:
        return web.json_response({"cut": self._venue(request).cut()})

    async def _restart(self, request: web.Request) -> web.Response:
        try:
            down_s = min(max(float(request.query.get("down_s", "0")), 0.0), _MOST_DOWN_S)
        except ValueError:
            return _wrong("down_s is no number")
        self._restart_soon(down_s)
        return web.json_response({"restarting": True, "down_s": down_s})

    def _venue(self, request: web.Request) -> Venue:
        venue = self._world.venues.get(request.match_info["venue"])
        if venue is None:
            raise web.HTTPNotFound(text=f"no such venue; there are: {', '.join(self._world.venues)}")
        return venue


def status(world: World) -> dict[str, Any]:
    """What can be seen of a world from outside."""
    return {
        "warning": WARNING,
        "now_ns": world.now_ns,
        "venues": {
            name: {
                "symbols": list(venue.symbols),
                "connections": len(venue.connections),
                "faults": venue.faults.switches(),
                "injected": venue.faults.injected,
            }
            for name, venue in world.venues.items()
        },
    }


def calls(url: str, venues: list[str]) -> str:
    """Every admin call as a line that works in a shell, and what it does."""
    venue, post = venues[0], "curl -X POST"
    lines = [
        WARNING,
        "",
        f"curl {url}/status",
        f"{post} '{url}/restart?down_s=2'  # gone for two seconds, then there again with the same state",
        f"{post} {url}/crash -d '{{}}'  # a flash crash of the synthetic market, everywhere",
        f"""{post} {url}/crash -d '{{"fraction": 0.1, "venue": "{venue}"}}'  # or of one; also "symbol\"""",
        f"{post} {url}/{venue}/disconnect  # every stream is cut once",
        "",
        f"Faults of one venue ({', '.join(venues)}). What is not named stays as it is.",
        f"curl -X DELETE {url}/{venue}/faults  # all off",
    ]
    lines += [f"{post} {url}/{venue}/faults -d '{json.dumps(s)}'  # {words}" for s, words in EXAMPLES]
    return "\n".join(lines) + "\n"


def _wrong(error: Exception | str) -> web.Response:
    return web.json_response({"error": str(error)}, status=400)
