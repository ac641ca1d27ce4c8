"""Can a venue be reached, and if not, why: one line that says what to do.

Python's own name look-up can't be given up: its thread goes on for as long as the system's resolver waits,
and an interpreter that wants to exit waits for it. So names are looked up here first, in a thread that
nobody waits for.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from citadel_kit.errors import VenueUnreachable

REACH_S: Final = 4.5
"""For the REST host, and again for the stream: both fail within 10 s together, start-up included."""

_CHECK: Final = "Check the network, or choose a market that needs none"
_STATUS: Final = {
    403: ("the request was forbidden (HTTP 403)", "A firewall, or a place the venue does not serve"),
    418: ("this address is banned for a while (HTTP 418)", "Wait; asking again prolongs the ban"),
    429: ("too many requests came from this address (HTTP 429)", "Wait a few minutes"),
    451: ("the venue does not serve this region (HTTP 451)", "Choose a market that needs no network"),
}


async def look_up(url: str) -> None:
    """Returns when the host's name is known. Raises socket.gaierror; the caller sets the time limit."""
    loop, known = asyncio.get_running_loop(), asyncio.Event()
    failures: list[OSError] = []

    def resolve() -> None:
        try:
            socket.getaddrinfo(urlsplit(url).hostname, None, type=socket.SOCK_STREAM)
        except OSError as error:
            failures.append(error)
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(known.set)

    threading.Thread(target=resolve, name="citadel-look-up", daemon=True).start()
    await known.wait()
    if failures:
        raise failures[0]


@cache
def tls() -> ssl.SSLContext:
    """Trusts what the system trusts and what certifi trusts: some Pythons come without the former."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def explain(venue: str, url: str, error: BaseException, waited_s: float) -> VenueUnreachable:
    """What a library raised → one line with the host, the cause and what to do.

    `waited_s`: the limit that a time-out means. Libraries wrap errors, so the chain of causes is searched.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in {"https", "wss"} else 80)
    host = f"{parts.hostname}:{port}"
    chain = list(_causes(error))
    for cause in chain:
        status, headers = _answer(cause)
        if status:
            known = _STATUS.get(
                status, (f"the answer was HTTP {status}", "Try again later, or choose another market")
            )
            return VenueUnreachable(
                venue, f"{host}: {known[0]}", known[1], _seconds(headers.get("Retry-After"))
            )
    for cause in reversed(chain):
        if isinstance(cause, ssl.SSLCertVerificationError):
            problem = f"{host}: its certificate is not trusted ({cause.verify_message})"
            return VenueUnreachable(
                venue, problem, "Something between here and the venue may be reading along"
            )
        text = _plain(cause, waited_s)
        if text:
            return VenueUnreachable(venue, f"{host} {text}", _CHECK)
        if isinstance(cause, socket.gaierror):
            problem = f"{parts.hostname} can't be resolved: no network, or no DNS"
            return VenueUnreachable(venue, problem, _CHECK)
    text = " ".join(str(chain[-1]).split())[:200] or type(chain[-1]).__name__
    return VenueUnreachable(venue, f"{host}: {text}", _CHECK)


def _plain(cause: BaseException, waited_s: float) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return "refuses connections"
    if isinstance(cause, ssl.SSLError):
        return f"does not speak TLS as it should ({cause.reason or 'handshake failed'})"
    if isinstance(cause, TimeoutError):
        return f"did not answer within {waited_s:g} s"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on; the innermost last."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _answer(cause: Any) -> tuple[int, Any]:
    """HTTP status and headers that an error of aiohttp or websockets carries; status 0 where it has none."""
    response = getattr(cause, "response", None)
    if response is not None:
        return int(response.status_code), response.headers
    return int(getattr(cause, "status", 0)), getattr(cause, "headers", None) or {}


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else 0.0
