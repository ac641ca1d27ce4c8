"""The judge of the fault bench: is what a session shows the truth?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from damage import Wire
from true_tape import UNREADABLE, Reel, Tail

from citadel_kit.micro.session import Effect, Session, TopChanged
from citadel_kit.types import FeedState


class Judge:
    """Looks at one session after each frame; see `fault_run.Run` for what is counted."""

    def __init__(self, reel: Reel, session: Session, tails: dict[str, Tail], counts: Counter[str]) -> None:
        self.wire, self.truths, self.tails = reel.wire, reel.truths, tails
        self.session, self.feeds, self.counts = session, session.feeds, counts
        self.problems: list[str] = []
        self.at = dict.fromkeys(self.truths, -1)
        """The update that each of the session's books claims to stand at."""
        self.came = dict.fromkeys(self.truths, -1)
        """The newest update that came whole, while the book is LIVE."""
        self.damaged: dict[str, int] = {}
        """Books that hold an update whose damage left no trace but the digits, and the last such update."""
        self.index_of: dict[str, dict[int, int]] = {s: {} for s in self.truths}
        """By number within the connection, or sequence of a run's own continuation."""

    def progress(self, symbol: str) -> tuple[int, int, int]:
        counts = self.feeds[symbol].counts if symbol else {"applied": 0, "syncs": 0}
        return counts["applied"], counts["syncs"], self.session.counts["malformed"]

    def after(self, wire: Wire, before: tuple[int, int, int], effects: Sequence[Effect]) -> None:
        """After each frame: every top that it brought, and every book that is LIVE."""
        symbol = wire.symbol
        applied, syncs, malformed = (a - b for a, b in zip(self.progress(symbol), before, strict=True))
        if symbol:
            if applied:
                self.at[symbol] = wire.nth
            if syncs and self.damaged.get(symbol, -1) <= wire.nth:
                self.damaged.pop(symbol, None)
            if wire.original and not malformed:
                self._look_at_damage(wire)
            elif not wire.body and not wire.original:
                self.came[symbol] = max(self.came[symbol], wire.nth)
        for effect in effects:
            if isinstance(effect, TopChanged):
                self._judge_top(effect.symbol, effect.top.seq, tuple(effect.top[3:]))
        for name, feed in self.feeds.items():
            if feed.state != FeedState.LIVE:
                self.came[name] = -1
            else:
                top = feed.book.top()
                self._judge_top(name, top.seq, tuple(top[3:]), counted=False)
                if self.at[name] < self.came[name]:
                    self.counts["behind"] += 1

    def _judge_top(self, symbol: str, seq: int, shown: tuple[int, ...], *, counted: bool = True) -> None:
        if seq >= 0:
            by_seq = self.index_of[symbol].get(seq)
            if by_seq is None and not self.wire.numbered:
                by_seq = self.truths[symbol].index_of.get(seq)
            self.at[symbol] = self.at[symbol] if by_seq is None else by_seq
        self.counts["judged"] += counted
        true = self.tails[symbol].top_at(self.at[symbol])
        if shown != true:
            name = "wrong_digit" if symbol in self.damaged else "wrong"
            self.counts[name] += 1
            if name == "wrong" and self.wire.proves:
                self.problem(f"{symbol} at {seq} (update {self.at[symbol]}): {shown} shown, {true} true")

    def _look_at_damage(self, wire: Wire) -> None:
        """Did it leave JSON, sequence and checksum as they were?

        A sequence of its own is another name for the update.
        """
        try:
            was, now = self.wire.read(wire.original), self.wire.read(wire.raw)
            if now is None:
                numbers = [json.loads(raw).get("sequence_num") for raw in (wire.original, wire.raw)]
                traceless = self.wire.numbered and numbers[0] == numbers[1]
            elif was is not None:
                traceless = (was.links, was.checksum) == (now.links, now.checksum)
                if now.seq not in self.truths[wire.symbol].index_of:
                    self.index_of[wire.symbol].setdefault(now.seq, wire.nth)
        except UNREADABLE:
            return
        if was is not None and traceless:
            self.damaged[wire.symbol] = wire.nth
            self.counts["traceless"] += 1

    def problem(self, text: str) -> None:
        if len(self.problems) < 3:
            self.problems.append(text)
