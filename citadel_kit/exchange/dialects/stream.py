"""One public stream connection, whatever the venue: a `Wire` says what to send, a `Socket` sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import count
from typing import Final, NamedTuple, Protocol

from aiohttp import web

from citadel_kit.exchange.socket import Kind, Socket
from citadel_kit.exchange.venue import MarketEvent, Venue

_BEAT_S: Final = 1.0


class Out(NamedTuple):
    """A frame to send, and what it is to the fault switches."""

    text: str
    kind: Kind


def market(text: str) -> Out:
    return Out(text, "market")


def heartbeat(text: str) -> Out:
    return Out(text, "heartbeat")


def reply(text: str) -> Out:
    return Out(text, "reply")


class Wire(Protocol):
    """A venue's side of one connection, without a network: it answers with frames in the order they go out.

    It tells of the book that the engine shows at the moment of the call, so `saw` must be called in the same
    turn of the loop in which the event happened.
    """

    def opened(self) -> Iterable[Out]: ...

    def heard(self, text: str) -> Iterable[Out]:
        """A message of the client's, of any content."""

    def saw(self, event: MarketEvent) -> Iterable[Out]: ...

    def second(self) -> Iterable[Out]:
        """To be called once a second."""


def public_stream(path: str, venue: Venue, wire: Callable[[Venue, int], Wire]) -> web.RouteDef:
    """A route whose every connection gets a wire of its own; they are numbered from 1 on."""
    numbers = count(1)

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _serve(venue, request, wire(venue, next(numbers)))

    return web.get(path, handle)


async def _serve(venue: Venue, request: web.Request, wire: Wire) -> web.StreamResponse:
    socket = Socket(venue, request)

    def send(frames: Iterable[Out]) -> None:
        for text, kind in frames:
            socket.send(text, kind)

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            send(wire.second())

    with ExitStack() as ends:

        def begin() -> None:
            ends.callback(venue.listen(lambda event: send(wire.saw(event))))
            ends.callback(asyncio.create_task(beat()).cancel)
            send(wire.opened())

        return await socket.run(lambda text: send(wire.heard(text)), on_open=begin)
