"""What the venues of an account can do, as the executor needs it; declared in `io.broker.capabilities`."""

from __future__ import annotations

from collections.abc import Iterable

from citadel_kit.io.broker import capabilities
from citadel_kit.micro.limits import Budget, budget
from citadel_kit.run.options import Abilities


def abilities(venues: Iterable[str]) -> dict[str, Abilities]:
    """Raises ConfigError for a venue at which no orders are placed."""
    rows = [capabilities(venue) for venue in venues]
    return {row.venue: Abilities(row.stops, row.stop_at_market, row.amend) for row in rows}


def budgets(venues: Iterable[str]) -> dict[str, Budget]:
    """A quarter of each is kept for what closes, cancels and asks. Raises as `abilities`."""
    rows = [(row := capabilities(venue), row.requests_at_once) for venue in venues]
    return {row.venue: budget(row.requests_per_s, most, max(most // 4, 1)) for row, most in rows}
