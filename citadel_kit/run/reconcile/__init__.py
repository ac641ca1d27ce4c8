"""Reconciliation: the journal's view of our orders against the venue's → what to do so that they agree.

One function for the start, when nothing may be traded until `settled`, and for every few seconds after it.
It decides; `record` writes the decisions ahead; the driver sends the cancels and hands the reports on.

The rules, for an order whose client id has the prefix of this engine or of an earlier one of the account:

1. Every trade of it that is not booked is booked, once: a fill is a piece of its order's filled quantity, and
   what the venue lists is laid beside the pieces that the journal has. A trade id counts where both have it.
2. Alive at the venue, the caller wants it (`keep`) and the journal does not hold it for gone: adopted, at the
   price, quantity and filled total that the venue shows.
3. Alive at the venue, and not wanted: an orphan, cancelled. At the start (`keep` is None) every order of an
   earlier run is one, but the newest protective stop of an entry that still has a position which the stop
   makes smaller: that is adopted, so that no position is naked for a moment, and never a second beside it.
   A chase is not resumed: what is left of its intent is for the macro layer to ask for again.
4. Gone at the venue, the journal doesn't know it: finished, as cancelled with its filled total.
5. The venue positively doesn't know it: it never came to life. Believed only `grace_ns` after it was sent,
   since the request can still be under way, and only while no trade and no report speaks of it.
6. No answer, or trades that don't add up yet to what is filled: waited for, and asked again.
7. While running, an order of which anything was heard or said since the questions began is left to the next
   round: the answers may be older than that.

An order with any other client id, and a trade of one, is reported and never touched.

An engine's start, in this order:

    journal = Journal(path)                                     # one writer
    lease = Lease(account, venues, now_ns, known=journal.prefixes())    # one engine; its prefix is new
    journal.start_run(lease.prefix, account, mode, now_ns)      # before anything goes out
    last = journal.last_guard()                                 # a kill outlives the engine
    latched = KillState(True, True, last[2], last[1]) if last and last[0] == "kill" else None
    switch = KillSwitch([global_file(), account_file(account), journal_file(path.resolve())], latched)
    rounds of reconciliation, per venue, until `settled`        # before the first intent

and before each PLACE that opens risk: `lease.held`, `switch.check() == ""`, then `journal.command`. A kill or
an arming that is seen goes to `journal.guard`. The end: `journal.end_run`, `lease.release`, `journal.close`.

A round, at the start and every few seconds alike:

    asked_ns = clock.now_ns()
    1. open_orders = the account's open orders, all symbols
    2. ours = journal.own_orders(venue, asked_ns - RECENT_NS)
    3. asked = for each of `to_ask(ours, …)`, and each open order of ours: what the venue says by client id
    4. trades = per symbol of `ours` and of open orders of ours, all since `trades_since(ours, open_orders)`
    5. ours = journal.own_orders(venue, asked_ns - RECENT_NS, {t.venue_order_id for t in trades})
    6. result = reconcile(venue, ours, VenueView(...), prefixes, keep=what the engine has at work *now*)
    7. reports = record(journal, venue, result, instruments, now_ns)
    8. the cancels go out, by client id, since they may be of an earlier prefix; the reports of parents at
       work go to the executor, which must not journal them again
    9. at the start: again, a moment later, until `settled`; while running only `problems` stop entries

Reports of the stream are handled all the while: what they booked meanwhile the journal refuses in 7. Trades
are asked for last, so that they hold at least what the orders say.
"""

from __future__ import annotations

from citadel_kit.run.reconcile.record import record
from citadel_kit.run.reconcile.records import Finish, Found, MissedFill, Reconciliation, VenueView
from citadel_kit.run.reconcile.rules import GRACE_NS, RECENT_NS, reconcile, to_ask, trades_since

__all__ = [
    "GRACE_NS",
    "RECENT_NS",
    "Finish",
    "Found",
    "MissedFill",
    "Reconciliation",
    "VenueView",
    "reconcile",
    "record",
    "to_ask",
    "trades_since",
]
