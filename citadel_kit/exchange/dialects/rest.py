"""Public REST calls, whatever the venue: a table of paths and functions, in the venue's own envelope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web

from citadel_kit.exchange.dialects.rendering import json_text
from citadel_kit.exchange.venue import Pairs, Print, Symbol, Venue

Query = Mapping[str, str]
"""What follows the `?`, and the variable parts of the path."""
Call = Callable[[Venue, Query], Any]
ONLY_PUBLIC: Final = "only public market data are served here"
"""Behind a venue's own words for a call that is unknown to it."""


class BadRequest(Exception):
    """A request that the venue refuses; `code` and `problem` are in its own words."""

    def __init__(self, code: str, problem: str, status: int = 200) -> None:
        self.code, self.problem, self.status = code, problem, status
        super().__init__(problem)


class Envelope(NamedTuple):
    """How a venue wraps an answer and a refusal."""

    answer: Callable[[Venue, Any], Any]
    refusal: Callable[[Venue, BadRequest], Any]
    unknown: BadRequest
    """For every call that isn't there, all private ones among them."""


def public_calls(venue: Venue, calls: Mapping[str, Call], envelope: Envelope) -> list[web.RouteDef]:
    """To come last: they answer every path."""

    async def unknown(request: web.Request) -> web.Response:
        return json_response(envelope.refusal(venue, envelope.unknown), envelope.unknown.status)

    routes = [_route(venue, path, call, envelope) for path, call in calls.items()]
    return [*routes, web.route("*", "/{path:.*}", unknown)]


def _route(venue: Venue, path: str, call: Call, envelope: Envelope) -> web.RouteDef:
    async def handle(request: web.Request) -> web.Response:
        try:
            result = call(venue, {**request.query, **request.match_info})
        except BadRequest as refused:
            return json_response(envelope.refusal(venue, refused), refused.status)
        return json_response(envelope.answer(venue, result))

    return web.get(path, handle)


def json_response(body: Any, status: int = 200) -> web.Response:
    return web.Response(text=json_text(body), status=status, content_type="application/json")


def whole(query: Query, name: str, refusal: BadRequest) -> int | None:
    """A parameter that is a whole number of 0 or more, in at most 18 digits; None where it isn't given."""
    text = query.get(name)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise refusal
    return int(text)


def levels_asked(query: Query, name: str, default: int, most: int, refusal: BadRequest) -> int:
    """How many rows are wanted: at least one; more than the venue gives are cut to what it gives."""
    wanted = whole(query, name, refusal)
    if wanted == 0:
        raise refusal
    return min(default if wanted is None else wanted, most)


def symbol_asked(venue: Venue, name: str | None, refusal: BadRequest) -> Symbol:
    try:
        return venue.symbol_by_venue_name(name or "")
    except KeyError:
        raise refusal from None


def shown(symbol: Symbol, depth: int) -> tuple[Pairs, Pairs]:
    """Bids and asks, best first."""
    return symbol.engine.shown(True, depth), symbol.engine.shown(False, depth)


def latest_prints(venue: Venue, symbol: Symbol, most: int) -> list[Print]:
    """The newest trades, oldest first, in the venue's time."""
    name, skew_ns = symbol.instrument.symbol, venue.skew_ns
    return [
        Print(name, t.at_ns + skew_ns, t.trade_id, t.price, t.qty, t.side)
        for t in list(symbol.trades)[-most:]
    ]
