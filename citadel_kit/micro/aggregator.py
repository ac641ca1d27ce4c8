"""The global best bid and ask over the LIVE books of several venues, and what pays between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import nan
from typing import Final, NamedTuple

from msgspec.structs import replace

from citadel_kit.errors import ConfigError
from citadel_kit.micro.opportunity import Opportunities
from citadel_kit.micro.quoted import Conversion, Quoted, Source, currencies, fee_units, scale
from citadel_kit.settings import Fees
from citadel_kit.types import BookReader, BookTop, GlobalQuote, Instrument, Opportunity

_NO_SIDE: Final = (nan, nan, "", "", -1)
"""Price, size, venue, symbol, age."""


class QuoteConfig(NamedTuple):
    max_silence_ns: int = 10_000_000_000
    """A venue without a frame of any kind for this long leaves the quote, whatever its session says."""
    max_age_ns: int = 60_000_000_000
    """So does a book without a change for this long: its subscription may be dead."""
    conversion_max_age_ns: int = 60_000_000_000
    """The same for a conversion quote."""
    min_notional: float = 10.0
    """In the venue's quote currency: less than this at the touch is dust; `quoted.Quoted` states the rule."""
    verified_only: bool = True
    """False: venues whose books can't be verified count too."""


class DataAggregator:
    """Compares the venues' quotes of one base asset, in integers, in one currency.

    `currency` is the common one, by default that of the first instrument. Quotes in another count only
    through a `conversions` instrument (such as `USDT/USD`) whose own top is handed in by `update` as every
    other; without a fresh one they stand apart (`GlobalQuote.apart`). At most one conversion a currency.
    `fees`, of every venue, are needed for `opportunities`. `unverified`: venues whose books nobody checks.
    Inverse contracts are in no quote and no opportunity.

    A venue is out at once by `drop`, else within `QuoteConfig.max_silence_ns` of its last frame: the caller
    tells of frames by `heard`. A crossed quote is shown as crossed, never mended. Venue or symbol in another
    spelling: KeyError naming the known ones. Raises ConfigError for instruments that can't be compared.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        conversions: Sequence[Instrument] = (),
        currency: str = "",
        fees: Mapping[str, Fees] | None = None,
        unverified: Collection[str] = (),
        config: QuoteConfig | None = None,
    ) -> None:
        self.config = config or QuoteConfig()
        bases = {currencies(i.symbol)[0] for i in instruments}
        if len(bases) != 1:
            raise ConfigError("instruments", f"one base asset is compared across venues, not {sorted(bases)}")
        self.currency = currency or currencies(instruments[0].symbol)[1]
        self._units = units = scale(instruments, self.config.min_notional)
        self._price_scale, self._qty_scale = 10**units.price_decimals, 10**units.qty_decimals
        self._seeks = fees is not None
        self._rivals = False
        """Is there more than one to seek among?"""
        self._unverified = frozenset(unverified)
        self._opportunities = Opportunities()
        self._latest: GlobalQuote | None = None
        """The last quote; None after any change of a top."""
        self._latest_ns = self._asked_ns = -1
        """When it was made, and when it was last asked for; -1: not since the last input."""
        self._complete = False
        """Was every source in it? Then it stands and only its ages grow, as long as all are fresh."""
        self.all_in_ns = -1
        """When every instrument was last found to be in the quote; -1: not since the last input."""
        self._conversions: dict[str, Conversion] = {}
        self._sources: dict[tuple[str, str], Quoted | Conversion] = {}
        taker = {i.venue: _fee(fees, i.venue) for i in (*instruments, *conversions)}
        for instrument in conversions:
            self._add_conversion(instrument, taker[instrument.venue])
        limits = self.config.max_age_ns, self.config.max_silence_ns
        for i in instruments:
            rate = self._conversions.get(currencies(i.symbol)[1])
            self._add(Quoted(i, self._units, self.currency, rate, taker[i.venue], limits))
        self._quotes = [s for s in self._sources.values() if isinstance(s, Quoted) and self._counts(s)]
        self._all_count = len(self._quotes) == len(instruments)
        self._rivals = self._seeks and len(self._quotes) > 1
        alone = self._all_count and len(self._quotes) == 1 and self._quotes[0].at_home
        self._only = self._quotes[0] if alone else None
        for quoted in self._quotes:
            quoted.counted, quoted.sought = True, self._rivals
        self._of_venue: dict[str, list[Source]] = {}
        for source in self._sources.values():
            self._of_venue.setdefault(source.instrument.venue, []).append(source)

    # --- inputs ------------------------------------------------------------------

    def heard(self, venue: str, now_ns: int) -> None:
        """A frame of any kind came from the venue."""
        sources = self._of_venue.get(venue)
        if sources is None:
            raise KeyError(f"no venue {venue!r}; there are: {', '.join(self._of_venue)}")
        self._asked_ns = self.all_in_ns = -1
        for source in sources:
            source.heard_ns = now_ns

    def update(
        self, venue: str, symbol: str, top: BookTop, now_ns: int, book: BookReader | None = None
    ) -> None:
        """A LIVE book's new top. `book` shows what lies behind it; it is read until the next `drop`."""
        source = self._sources.get((venue, symbol)) or self._source(venue, symbol)
        self._latest = None
        self._asked_ns = self.all_in_ns = -1
        source.heard_ns = now_ns
        if isinstance(source, Quoted):
            source.set(top, book)
            if self._rivals and source.counted:
                self._opportunities.judge(source, self._quotes, now_ns)
        else:
            source.set(top)
            self._converted(source, now_ns)

    def drop(self, venue: str, symbol: str, now_ns: int) -> None:
        """The book is not LIVE any more."""
        source = self._source(venue, symbol)
        self._latest = None
        self._asked_ns = self.all_in_ns = -1
        if isinstance(source, Conversion):
            source.set(None)
            self._converted(source, now_ns)
        else:
            source.clear()
            self._opportunities.end(source)

    # --- facts ------------------------------------------------------------------

    def quote(self, now_ns: int) -> GlobalQuote:
        """The best of each side; the larger quantity wins among equal prices."""
        latest = self._latest
        if latest is not None and now_ns == self._asked_ns:
            return latest
        if self._only is not None:
            alone = self._alone(self._only, now_ns)
            if alone is not None:
                self._latest, self._complete = alone, True
                self._latest_ns = self._asked_ns = self.all_in_ns = now_ns
                return alone
        together: list[Quoted] = []
        for source in self._quotes:
            top = source.top  # what `comparable` says, without a call where no conversion is needed
            if top is None or now_ns - source.heard_ns > source.max_silence_ns:
                continue
            if 0 <= now_ns - top.recv_ns <= source.max_age_ns and (
                source.at_home or source.comparable(now_ns)
            ):
                together.append(source)
        complete = len(together) == len(self._quotes)
        if latest is None or not (complete and self._complete):
            apart = () if complete else self._apart(together, now_ns)
            latest = self._best(together, self.currency, now_ns, apart)
        elif now_ns != self._latest_ns:
            passed_ns = now_ns - self._latest_ns
            latest = replace(
                latest,
                bid_age_ns=latest.bid_age_ns + passed_ns if latest.bid_venue else -1,
                ask_age_ns=latest.ask_age_ns + passed_ns if latest.ask_venue else -1,
            )
        self._latest, self._complete = latest, complete
        self._latest_ns = self._asked_ns = now_ns
        self.all_in_ns = now_ns if complete and self._all_count else -1
        return latest

    def opportunities(self, now_ns: int) -> tuple[Opportunity, ...]:
        """What pays now after taker fees, the most profitable first; always empty without `fees`."""
        if not self._rivals:
            return ()
        return self._opportunities.list(self._units, self.currency, now_ns)

    def left_out(self, venue: str, symbol: str, now_ns: int) -> str:
        """Why this instrument is not in the common quote, and what would bring it in; empty where it is."""
        source = self._sources.get((venue, symbol)) or self._source(venue, symbol)
        if isinstance(source, Quoted) and source.counted and source.comparable(now_ns):
            return ""
        if isinstance(source, Quoted) and source.instrument.inverse:
            return f"{symbol} is an inverse contract: its quantities are sums of {source.currency}"
        if not self._counts(source):
            return f"{venue} is UNVERIFIED; QuoteConfig(verified_only=False) lets it count"
        if problem := source.fault(now_ns):
            return problem
        if isinstance(source, Conversion) or source.at_home:
            return ""
        if source.conversion is None:
            return f"no conversion of {source.currency} into {self.currency} is given: it stands apart"
        problem = source.conversion.fault(now_ns)
        return problem and f"it stands apart: of {source.conversion.instrument.symbol}, {problem}"

    # --- parts ------------------------------------------------------------------

    def _alone(self, only: Quoted, now_ns: int) -> GlobalQuote | None:
        """What `_best` makes of the only source, in half the time; None where that takes a second look."""
        top, bid, ask = only.top, only.bid, only.ask
        if top is None or not (bid and ask):
            return None
        age_ns = now_ns - top[0]  # `fresh`, without a call
        if not (0 <= age_ns <= only.max_age_ns and now_ns - only.heard_ns <= only.max_silence_ns):
            return None
        price_scale, qty_scale = self._price_scale, self._qty_scale
        venue, symbol = only.venue, only.symbol
        return GlobalQuote(
            bid / price_scale,
            only.bid_qty / qty_scale,
            venue,
            age_ns,
            ask / price_scale,
            only.ask_qty / qty_scale,
            venue,
            age_ns,
            ask <= bid,
            self.currency,
            symbol,
            symbol,
        )

    def _apart(self, together: list[Quoted], now_ns: int) -> tuple[GlobalQuote, ...]:
        apart: dict[str, list[Quoted]] = {}
        for source in self._quotes:
            if source not in together and source.fresh(now_ns):
                apart.setdefault(source.currency, []).append(source)
        return tuple([self._best(rows, name, now_ns, ()) for name, rows in apart.items()])

    def _source(self, venue: str, symbol: str) -> Quoted | Conversion:
        source = self._sources.get((venue, symbol))
        if source is None:
            known = ", ".join(f"{v} {s}" for v, s in self._sources)
            raise KeyError(f"no {venue!r} {symbol!r}; there are: {known}")
        return source

    def _counts(self, source: Source) -> bool:
        """Ever? An inverse contract does not: its quantities are no quantities of the base asset."""
        instrument = source.instrument
        if instrument.inverse and isinstance(source, Quoted):
            return False
        return not (self.config.verified_only and instrument.venue in self._unverified)

    def _add(self, source: Quoted | Conversion) -> None:
        key = source.instrument.venue, source.instrument.symbol
        if key in self._sources:
            raise ConfigError("instruments", f"{' '.join(key)} is named twice")
        self._sources[key] = source

    def _add_conversion(self, instrument: Instrument, fee: int) -> None:
        limits = self.config.conversion_max_age_ns, self.config.max_silence_ns
        conversion = Conversion(instrument, self.currency, fee, *limits)
        if conversion.currency in self._conversions:
            raise ConfigError("conversions", f"{conversion.currency} has more than one")
        self._add(conversion)
        if self._counts(conversion):
            self._conversions[conversion.currency] = conversion

    def _converted(self, conversion: Conversion, now_ns: int) -> None:
        """Its top is new or gone."""
        for quoted in self._quotes:
            if quoted.conversion is conversion:
                quoted.convert()
                if self._seeks:
                    others = [q for q in self._quotes if q.currency != quoted.currency]
                    self._opportunities.judge(quoted, others, now_ns)

    def _best(
        self, rows: list[Quoted], currency: str, now_ns: int, apart: tuple[GlobalQuote, ...]
    ) -> GlobalQuote:
        home = currency == self.currency
        buyer, bid, bid_qty, seller, ask, ask_qty = _touch(rows, home)
        bid_price, bid_size, bid_venue, bid_symbol, bid_age_ns = _NO_SIDE
        if buyer is not None:
            bid_price, bid_size = bid / self._price_scale, bid_qty / self._qty_scale
            bid_venue, bid_symbol, bid_age_ns = buyer.venue, buyer.symbol, now_ns - buyer.recv_ns(home)
        ask_price, ask_size, ask_venue, ask_symbol, ask_age_ns = _NO_SIDE
        if seller is not None:
            ask_price, ask_size = ask / self._price_scale, ask_qty / self._qty_scale
            ask_venue, ask_symbol = seller.venue, seller.symbol
            ask_age_ns = bid_age_ns if seller is buyer else now_ns - seller.recv_ns(home)
        return GlobalQuote(  # by position: by name it takes half a microsecond longer
            bid_price,
            bid_size,
            bid_venue,
            bid_age_ns,
            ask_price,
            ask_size,
            ask_venue,
            ask_age_ns,
            0 < ask <= bid,
            currency,
            bid_symbol,
            ask_symbol,
            apart,
        )


def _touch(rows: list[Quoted], home: bool) -> tuple[Quoted | None, int, int, Quoted | None, int, int]:
    """Who bids best, price, quantity; who asks best, price, quantity; None and 0 where nobody does."""
    if len(rows) == 1:
        row = rows[0]
        bid, ask = (row.home_bid, row.home_ask) if home else (row.bid, row.ask)
        return row if bid else None, bid, row.bid_qty, row if ask else None, ask, row.ask_qty
    buyer = seller = None
    bid = bid_qty = ask = ask_qty = 0
    for row in rows:
        price, qty = (row.home_bid if home else row.bid), row.bid_qty
        if price and (price > bid or (price == bid and qty > bid_qty)):
            buyer, bid, bid_qty = row, price, qty
        price, qty = (row.home_ask if home else row.ask), row.ask_qty
        if price and (not ask or price < ask or (price == ask and qty > ask_qty)):
            seller, ask, ask_qty = row, price, qty
    return buyer, bid, bid_qty, seller, ask, ask_qty


def _fee(fees: Mapping[str, Fees] | None, venue: str) -> int:
    if fees is None:
        return 0
    if venue not in fees:
        raise ConfigError("fees", f"there are none for {venue!r}", f"Given: {', '.join(fees) or 'none'}")
    return fee_units(fees[venue].taker_bps)
