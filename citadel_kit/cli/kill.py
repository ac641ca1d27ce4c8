"""`citadel kill`, `citadel arm`: the kill switch's second path, from any terminal."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from citadel_kit import clock
from citadel_kit.errors import CitadelError, ConfigError

JournalPath = Annotated[
    Path | None, typer.Option(help="Only the engine that writes this journal.", show_default=False)
]
Account = Annotated[str, typer.Option(help="Only the engines of this account.", show_default=False)]
Reason = Annotated[str, typer.Option(help="What the engine and the journal shall say of it.")]


def kill(journal: JournalPath = None, account: Account = "", reason: Reason = "by hand") -> None:
    """Stop all trading: working orders are cancelled, and nothing is entered until `citadel arm`.

    Without options, of every engine of this machine's state folder ($CITADEL_STATE). An engine sees it within
    a tenth of a second. It outlives engine and machine: an engine started later is killed too.
    """
    from citadel_kit.io import killfile

    path = _file(journal, account)
    try:
        killfile.kill(path, f"{reason} ({getpass.getuser()}'s terminal)", clock.now_ns())
    except OSError as error:
        raise CitadelError(f"NOT killed: {path} can't be written: {error.strerror or error}") from error
    print(f"killed: {path}")
    for engine in _engines():
        print(f"at work: {engine}")


def arm(journal: JournalPath = None, account: Account = "", reason: Reason = "by hand") -> None:
    """End a kill, with the same options as it was made. What stopped trading is shown first."""
    from citadel_kit.io import killfile

    path = _file(journal, account)
    print(f"was {killfile.read(path)}")
    try:
        killfile.arm(path, f"{reason} ({getpass.getuser()}'s terminal)", clock.now_ns())
    except OSError as error:
        raise CitadelError(f"not armed: {path} can't be written: {error.strerror or error}") from error
    print(f"armed: {path}")
    for other in sorted({killfile.global_file(), *killfile.global_file().parent.glob("*.kill")} - {path}):
        if killfile.read(other).killed:
            print(f"still {killfile.read(other)} ({other})", file=sys.stderr)


def _file(journal: Path | None, account: str) -> Path:
    """Raises ConfigError for a name that no engine ever had: a kill that nobody reads must not seem one."""
    from citadel_kit.io import killfile, lease
    from citadel_kit.io.state import state_folder

    if journal is not None and account:
        raise ConfigError("--account", "it can't be given together with --journal", "Give one of them")
    if journal is not None:
        if not journal.is_file():
            raise ConfigError("--journal", f"there is no {journal}", "Without options every engine is meant")
        return killfile.journal_file(journal.resolve())
    if not account:
        return killfile.global_file()
    known = sorted({lease.account_of(path) for path in state_folder().glob("*.lease")})
    if account not in known:
        hint = (
            f"Known in {state_folder()}: {', '.join(known) or 'none'}. Without options every engine is meant"
        )
        raise ConfigError("--account", f"no engine ever traded {account!r}", hint)
    return killfile.account_file(account)


def _engines() -> list[str]:
    """Those that hold a lease now."""
    from citadel_kit.io import lease
    from citadel_kit.io.state import state_folder

    held = [path for path in sorted(state_folder().glob("*.lease")) if lease.is_held(path)]
    return [f"{path.stem}: {lease.last_holder(path) or 'an engine'}" for path in held]
