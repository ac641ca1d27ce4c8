"""Balances at one venue, exact: Python integers in units of 10**-18 of each asset.

Every movement has two sides. What clients trade with the outside market is the account `MARKET`'s loss or
gain, which may go negative; commissions go to the account `FEES`. So an asset's total over all accounts
changes by deposits only.
"""

from __future__ import annotations

from typing import Final

UNIT: Final = 18
"""A balance is in 10**-UNIT of its asset."""
MARKET: Final = "market"
FEES: Final = "fees"


class Accounts:
    """Shared by all matching engines of a venue."""

    def __init__(self) -> None:
        self._free: dict[tuple[str, str], int] = {}
        self._locked: dict[tuple[str, str], int] = {}

    def deposit(self, account: str, asset: str, units: int) -> None:
        """Raises ValueError where `units` is negative: nothing is taken away here."""
        if units < 0:
            raise ValueError(f"a deposit of {units} {asset} is none")
        self.add(account, asset, units)

    def free(self, account: str, asset: str) -> int:
        return self._free.get((account, asset), 0)

    def locked(self, account: str, asset: str) -> int:
        return self._locked.get((account, asset), 0)

    def balances(self, account: str) -> dict[str, tuple[int, int]]:
        """(free, locked) of every asset the account ever had, by name."""
        keys = self._free.keys() | self._locked.keys()
        assets = sorted(asset for owner, asset in keys if owner == account)
        return {asset: (self.free(account, asset), self.locked(account, asset)) for asset in assets}

    def totals(self) -> dict[str, int]:
        """Per asset, over all accounts with the market and the fees."""
        totals: dict[str, int] = {}
        for holdings in (self._free, self._locked):
            for (_, asset), units in holdings.items():
                totals[asset] = totals.get(asset, 0) + units
        return totals

    # --- for the engines ------------------------------------------------------------------------------------

    def add(self, account: str, asset: str, units: int) -> None:
        key = (account, asset)
        self._free[key] = self._free.get(key, 0) + units

    def lock(self, account: str, asset: str, units: int) -> None:
        """Negative releases. Whoever calls has seen that there is enough."""
        key = (account, asset)
        self._free[key] = self._free.get(key, 0) - units
        self._locked[key] = self._locked.get(key, 0) + units

    def spend(self, account: str, asset: str, units: int, from_locked: int) -> None:
        """Pay `units` out of what was locked: `from_locked` leaves the lock, the difference is free again."""
        key = (account, asset)
        self._locked[key] = self._locked.get(key, 0) - from_locked
        self._free[key] = self._free.get(key, 0) + from_locked - units
