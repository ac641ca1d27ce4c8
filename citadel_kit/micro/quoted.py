"""One venue's book in the integers in which venues are compared, and what one currency is in another.

A price is in units of 10**-price_decimals and a quantity in 10**-qty_decimals of the base currency, both the
finest of all venues compared; contracts are base units already. Going finer is exact, so no edge is made by
rounding; converting a currency is not, and rounds against us: a bid down, an ask up.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from citadel_kit.errors import ConfigError
from citadel_kit.types import BookReader, BookTop, Instrument, Side

FEE_SCALE: Final = 10**8
"""A fee is counted in parts of this: 1e-4 basis points."""
DEPTH: Final = 100
"""Levels a side that are looked at, for dust and for opportunities."""


class Terms(NamedTuple):
    """What a price is in another currency: bid × bid_num / bid_den, ask × ask_num / ask_den."""

    bid_num: int
    bid_den: int
    ask_num: int
    ask_den: int

    def bid(self, price: int) -> int:
        return price * self.bid_num // self.bid_den

    def ask(self, price: int) -> int:
        return -(-price * self.ask_num // self.ask_den)


AT_PAR: Final = Terms(1, 1, 1, 1)
NOTHING: Final = Terms(0, 1, 0, 1)


class Scale(NamedTuple):
    """The units of comparison."""

    price_decimals: int
    qty_decimals: int
    min_notional: int
    """In units of 10**-(price_decimals + qty_decimals) of a venue's own quote currency."""


def currencies(symbol: str) -> tuple[str, str]:
    """Base and quote of a unified symbol; a settlement currency behind a colon is passed over.

    Raises ConfigError for any other spelling.
    """
    base, slash, rest = symbol.partition("/")
    quote = rest.partition(":")[0]
    if not (base and slash and quote):
        raise ConfigError("symbol", f"{symbol!r} is not of the unified form", "Write it as BTC/USDT")
    return base, quote


def scale(instruments: Sequence[Instrument], min_notional: float) -> Scale:
    """The finest units of all."""
    price = max(i.price_decimals for i in instruments)
    qty = max(i.qty_decimals + _contract(i)[1] for i in instruments)
    return Scale(price, qty, round(min_notional * 10 ** (price + qty)))


def fee_units(taker_bps: float) -> int:
    return round(taker_bps * FEE_SCALE / 10_000)


def _contract(instrument: Instrument) -> tuple[int, int]:
    """Contract size as an integer and its decimals."""
    size = Decimal(str(instrument.contract_size)).normalize()
    if not size > 0:
        raise ConfigError("contract_size", f"{size} of {instrument.venue} is not positive")
    decimals = max(0, -int(size.as_tuple().exponent))
    return int(size.scaleb(decimals)), decimals


class Source:
    """A quote that counts only while its book is LIVE and it is fresh by our clock."""

    __slots__ = ("counted", "heard_ns", "instrument", "max_age_ns", "max_silence_ns", "top")

    def __init__(self, instrument: Instrument, max_age_ns: int, max_silence_ns: int) -> None:
        self.instrument = instrument
        self.top: BookTop | None = None
        """None while the book is not LIVE."""
        self.heard_ns = -1
        """When the venue's last frame of any kind came."""
        self.counted = False
        """Is it one of those compared, as far as it is fresh? Its aggregator says so."""
        self.max_age_ns, self.max_silence_ns = max_age_ns, max_silence_ns

    def fault(self, now_ns: int) -> str:
        """Why it does not count now; empty where it does. A quote from the future is not trusted."""
        if self.top is None:
            return "its book is not LIVE"
        age, silence = now_ns - self.top.recv_ns, now_ns - self.heard_ns
        if age < 0:
            return "its quote is from the future"
        if silence > self.max_silence_ns:
            return f"no frame for {silence / 1e9:.1f} s; {self.max_silence_ns / 1e9:g} s are allowed"
        if age > self.max_age_ns:
            return f"its book has not changed for {age / 1e9:.1f} s; {self.max_age_ns / 1e9:g} s are allowed"
        return ""

    def fresh(self, now_ns: int) -> bool:
        """Is there no `fault`? For the hot path."""
        top = self.top
        return (
            top is not None
            and 0 <= now_ns - top.recv_ns <= self.max_age_ns
            and now_ns - self.heard_ns <= self.max_silence_ns
        )


class Conversion(Source):
    """A book that trades `currency` against `home`, either way round.

    Whoever sells for `currency` and wants `home` takes one side of this book, whoever pays takes the other.
    Its depth is not looked at.
    """

    __slots__ = ("currency", "fee", "quoted", "taken")

    def __init__(
        self, instrument: Instrument, home: str, fee: int, max_age_ns: int, max_silence_ns: int
    ) -> None:
        super().__init__(instrument, max_age_ns, max_silence_ns)
        base, quote = currencies(instrument.symbol)
        if home not in (base, quote) or base == quote:
            raise ConfigError("conversions", f"{instrument.symbol} converts nothing into {home}")
        self.currency = base if quote == home else quote
        self.fee = fee
        self.quoted = self.taken = AT_PAR
        """Without and with its taker fee; they mean nothing while there is no top."""

    def set(self, top: BookTop | None) -> None:
        """A one-sided top converts nothing."""
        self.top = top if top is not None and top.bid > 0 and top.ask > 0 else None
        if self.top is not None:
            self.quoted, self.taken = self._terms(self.top, 0), self._terms(self.top, self.fee)

    def _terms(self, top: BookTop, fee: int) -> Terms:
        one = 10**self.instrument.price_decimals * FEE_SCALE
        sold, bought = top.bid * (FEE_SCALE - fee), top.ask * (FEE_SCALE + fee)
        if currencies(self.instrument.symbol)[0] == self.currency:
            return Terms(sold, one, bought, one)
        return Terms(one, bought, one, sold)


class Quoted(Source):
    """The quote of one instrument of one venue, without dust, in the units of comparison.

    Dust: the price is that of the best level down to which the levels together carry the minimum notional (in
    the venue's own quote currency), the quantity what they hold together. Where `DEPTH` levels don't carry
    it, or the touch doesn't and there is no book to walk, the side counts as empty: all its fields are 0.
    """

    __slots__ = (
        "_keeps", "_least", "_lot", "_pays", "_pip", "ask", "ask_qty", "at_home", "bid", "bid_qty",
        "book", "bought", "conversion", "currency", "home_ask", "home_bid", "home_bought",
        "home_sold", "sold", "sought", "symbol", "venue",
    )  # fmt: skip

    def __init__(
        self,
        instrument: Instrument,
        units: Scale,
        home: str,
        conversion: Conversion | None,
        fee: int,
        limits: tuple[int, int],
    ) -> None:
        """`limits`: see `Source`."""
        super().__init__(instrument, *limits)
        size, decimals = _contract(instrument)
        self.venue, self.symbol = instrument.venue, instrument.symbol
        self.currency = currencies(instrument.symbol)[1]
        self.at_home = self.currency == home
        self.conversion = conversion
        self._least = units.min_notional
        self.sought = False
        """Are opportunities sought with it? Its aggregator says so."""
        self._keeps, self._pays = FEE_SCALE - fee, FEE_SCALE + fee
        self._pip = int(10 ** (units.price_decimals - instrument.price_decimals))
        self._lot = size * int(10 ** (units.qty_decimals - instrument.qty_decimals - decimals))
        self.clear()

    def clear(self) -> None:
        self.top: BookTop | None = None
        self.book: BookReader | None = None
        self.bid = self.bid_qty = self.ask = self.ask_qty = 0
        self.sold = self.bought = 0
        """Bid and ask after the venue's taker fee, × FEE_SCALE, where they are `sought`."""
        self.convert()

    def set(self, top: BookTop, book: BookReader | None) -> None:
        self.top, self.book = top, book
        pip, lot, least = self._pip, self._lot, self._least
        _, _, _, bid, bid_qty, ask, ask_qty = top
        bid, bid_qty, ask, ask_qty = bid * pip, bid_qty * lot, ask * pip, ask_qty * lot
        if bid * bid_qty < least:
            bid, bid_qty = self._solid(Side.BUY)
        if ask * ask_qty < least:
            ask, ask_qty = self._solid(Side.SELL)
        self.bid, self.bid_qty, self.ask, self.ask_qty = bid, bid_qty, ask, ask_qty
        if self.at_home:
            self.home_bid, self.home_ask = bid, ask
            if not self.sought:
                return
        self.sold, self.bought = bid * self._keeps, ask * self._pays
        self.convert()

    def convert(self) -> None:
        """The quote or its conversion changed."""
        if self.at_home:
            self.home_bid, self.home_ask = self.bid, self.ask
            self.home_sold, self.home_bought = self.sold, self.bought
            return
        rate = self.conversion
        quoted = taken = NOTHING
        if rate is not None and rate.top is not None:
            quoted, taken = rate.quoted, rate.taken
        self.home_bid, self.home_ask = quoted.bid(self.bid), quoted.ask(self.ask)
        """In the common currency; 0 where there is no side or no conversion. As stale as the conversion."""
        self.home_sold, self.home_bought = taken.bid(self.sold), taken.ask(self.bought)
        """The same after all taker fees, × FEE_SCALE."""

    def comparable(self, now_ns: int) -> bool:
        """Is it fresh, and so is the conversion it needs?"""
        if not self.fresh(now_ns):
            return False
        return self.at_home or (self.conversion is not None and self.conversion.fresh(now_ns))

    def sales(self, home: bool) -> list[tuple[int, int]]:
        """What selling here brings, best first: (price as `home_sold` or `sold`, quantity)."""
        terms = self.conversion.taken if home and self.conversion else AT_PAR
        levels = self._levels(Side.BUY, self.bid, self.bid_qty)
        return [(terms.bid(price * self._keeps), qty) for price, qty in levels]

    def purchases(self, home: bool) -> list[tuple[int, int]]:
        """What buying here costs, best first: (price as `home_bought` or `bought`, quantity)."""
        terms = self.conversion.taken if home and self.conversion else AT_PAR
        levels = self._levels(Side.SELL, self.ask, self.ask_qty)
        return [(terms.ask(price * self._pays), qty) for price, qty in levels]

    def recv_ns(self, home: bool) -> int:
        """Of the quote; converted, of the older of it and its conversion."""
        own = self.top.recv_ns if self.top is not None else -1
        if self.conversion is None:
            return own
        rate = self.conversion.top if home else None
        return min(own, rate.recv_ns) if rate else own

    def _levels(self, side: Side, price: int, qty: int) -> list[tuple[int, int]]:
        if self.book is None:
            return [(price, qty)] if price else []
        return [(p * self._pip, q * self._lot) for p, q in self.book.levels(side, DEPTH).tolist()]

    def _solid(self, side: Side) -> tuple[int, int]:
        total = notional = 0
        for level, resting in self._levels(side, 0, 0):
            total += resting
            notional += level * resting
            if notional >= self._least:
                return level, total
        return 0, 0
