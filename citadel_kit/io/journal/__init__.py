"""The order journal: what we meant to do, what we told the venues, and what they said, in one SQLite file.

One engine writes (a lock beside the file keeps every other out), any number of notebooks read meanwhile. A
row is written before it counts:

- an intent and an exit plan before the first command of their parent;
- a command before it goes out: a PLACE or AMEND waits for the disk, alone, never in a batch; a CANCEL or
  QUERY is committed to the operating system;
- a report or a fill before it is acted on; those of one event may share a `batch()`. A fill counts only
  where `fill()` returned True.

After `kill -9` all of that is there. After a power cut the last reports, fills and cancels may be missing,
and no order: `run.reconcile` fetches them from the venue either way.

Prices and quantities are the integers of the instrument, whose scale is a row of its own.
"""

from __future__ import annotations

from citadel_kit.io.journal.read import JournalReader
from citadel_kit.io.journal.records import Booked, OpenFamily, OwnOrder
from citadel_kit.io.journal.schema import VERSION
from citadel_kit.io.journal.write import Journal

__all__ = ["VERSION", "Booked", "Journal", "JournalReader", "OpenFamily", "OwnOrder"]
