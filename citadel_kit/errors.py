"""Every error the kit raises on purpose.

    CitadelError
    ├── ConfigError            a setting or parameter is wrong
    ├── DataError              candles, models or files can't be used as they are
    │   ├── CandleError        a candle frame breaks the schema
    │   ├── TapeError          a tape can't be read
    │   ├── JournalError       the order journal can't be read or written
    │   └── ModelError         a model and its features don't belong together
    ├── WireError              a venue's bytes can't be trusted
    │   ├── DecodeError        malformed frame
    │   ├── SequenceGap        a link in the update chain is missing
    │   ├── BookCorrupt        checksum wrong, book crossed, or the venue's own quote disagrees
    │   ├── VenueUnreachable   no connection, or nothing came over it
    │   └── NotLive            books that were waited for are not LIVE in time
    └── TradeError             an order can't or must not be sent
        ├── GateRefused        the safety gate said no
        ├── LeaseHeld          another engine trades this account
        └── EngineClosed       the engine is not running

Errors carry their facts as attributes and say what to do next.
"""

from __future__ import annotations


class CitadelError(Exception):
    """Base of all errors of this package."""


class ConfigError(CitadelError):
    """A setting or parameter is wrong. The message names the setting to change."""

    def __init__(self, setting: str, problem: str, hint: str = "") -> None:
        self.setting, self.problem, self.hint = setting, problem, hint
        super().__init__(f"{setting}: {problem}" + (f". {hint}" if hint else ""))


class DataError(CitadelError):
    """Input data can't be used as it is."""


class CandleError(DataError):
    """A candle frame breaks the schema; `fault` is a short code such as `duplicate`, `gap`, `off_grid`."""

    def __init__(self, fault: str, detail: str) -> None:
        self.fault, self.detail = fault, detail
        super().__init__(f"candles: {fault}: {detail}")


class TapeError(DataError):
    """A tape can't be read at `line` of `path`; line 0: not at all."""

    def __init__(self, path: str, line: int, problem: str) -> None:
        self.path, self.line, self.problem = path, line, problem
        super().__init__(f"tape {path}{f', line {line}' if line else ''}: {problem}")


class JournalError(DataError):
    """The journal at `path` can't be read or written. A write that failed means: place nothing more."""

    def __init__(self, path: str, problem: str, hint: str = "") -> None:
        self.path, self.problem, self.hint = path, problem, hint
        super().__init__(f"journal {path}: {problem}" + (f". {hint}" if hint else ""))


class ModelError(DataError):
    """A model can't be trained, or was asked about features it was not trained on."""


class WireError(CitadelError):
    """What a venue sent can't be trusted."""


class DecodeError(WireError):
    """A frame is malformed. `raw` holds its first 200 bytes."""

    def __init__(self, venue: str, channel: str, raw: bytes, problem: str) -> None:
        self.venue, self.channel, self.raw, self.problem = venue, channel, bytes(raw[:200]), problem
        super().__init__(f"{venue} {channel}".rstrip() + f": {problem}: {self.raw!r}")


class SequenceGap(WireError):
    """Updates were lost between `expected` and `got`; the book must be fetched anew."""

    def __init__(self, venue: str, symbol: str, expected: int, got: int) -> None:
        self.venue, self.symbol, self.expected, self.got = venue, symbol, expected, got
        what = f"update {expected} expected, {got} came"
        if got == expected:
            what = f"update {got} doesn't say which it follows, as those of {venue} do"
        super().__init__(f"{venue} {symbol}: {what}; the book is being fetched anew")


class BookCorrupt(WireError):
    """The rebuilt book can't be the venue's: `problem` says how that was seen."""

    def __init__(self, venue: str, symbol: str, problem: str) -> None:
        self.venue, self.symbol, self.problem = venue, symbol, problem
        super().__init__(f"{venue} {symbol}: {problem}; the book is being fetched anew")


class VenueUnreachable(WireError):
    """No connection to a venue, or a connection over which nothing came.

    `retry_after_s`: how long the venue wants to be left alone; 0 where it does not say.
    """

    def __init__(self, venue: str, problem: str, hint: str = "", retry_after_s: float = 0.0) -> None:
        self.venue, self.problem, self.hint, self.retry_after_s = venue, problem, hint, retry_after_s
        super().__init__(f"{venue} can't be reached: {problem}" + (f". {hint}" if hint else ""))


class NotLive(WireError):
    """Not every book was LIVE in time; `books` says of each that was not, by venue and symbol, why."""

    def __init__(self, seconds: float, books: dict[str, str]) -> None:
        self.seconds, self.books = seconds, books
        why = "; ".join(f"{book} is {state}" for book, state in books.items())
        super().__init__(f"not LIVE within {seconds:g} s: {why}. Wait longer, or leave these venues out")


class TradeError(CitadelError):
    """An order can't or must not be sent."""


class GateRefused(TradeError):
    """The safety gate refused an intent; `reasons` are the codes, the message says what to do."""

    def __init__(self, reasons: tuple[str, ...], text: str) -> None:
        self.reasons = reasons
        super().__init__(text)


class LeaseHeld(TradeError):
    """Another engine has what only one may have: `what` is an account at a venue, or a journal.

    `holder` says who, as far as its lock file tells.
    """

    def __init__(self, what: str, holder: str) -> None:
        self.what, self.holder = what, holder
        super().__init__(
            f"{what} is in use by {holder}. Close that engine; until then this one can only watch"
        )


class EngineClosed(TradeError):
    """The engine is not running: it was closed, was never started, or died of `cause`."""

    def __init__(self, problem: str, cause: BaseException | None = None) -> None:
        self.cause = cause
        super().__init__(problem)
