"""A notebook-first kit for crypto research and live trading.

The public names are imported when they are first used, so that `import citadel_kit` itself costs next to
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from citadel_kit.errors import CitadelError
    from citadel_kit.io.ccxt_feed import CcxtFeed
    from citadel_kit.micro.aggregator import QuoteConfig
    from citadel_kit.micro.gate import GateConfig
    from citadel_kit.micro.guard import GuardConfig
    from citadel_kit.notebook.world import open_world
    from citadel_kit.panel import Panel
    from citadel_kit.run.account import Account
    from citadel_kit.run.connector import HybridConnector
    from citadel_kit.run.entry import drill, plan_entry
    from citadel_kit.run.live import LiveDriver
    from citadel_kit.run.macro_loop import run_macro
    from citadel_kit.types import (
        Instrument,
        MacroSignal,
        MicroSnapshot,
        OrderIntent,
        Purpose,
        Side,
        Verdict,
    )

__version__ = "0.1.0"

# A public name stands in three places, which tests/test_imports.py holds to each other: above for the type
# checker, here for the import, below for `import *`.
_MODULES: Final = {
    "Account": "run.account",
    "CcxtFeed": "io.ccxt_feed",
    "CitadelError": "errors",
    "GateConfig": "micro.gate",
    "GuardConfig": "micro.guard",
    "HybridConnector": "run.connector",
    "Instrument": "types",
    "LiveDriver": "run.live",
    "MacroSignal": "types",
    "MicroSnapshot": "types",
    "OrderIntent": "types",
    "Panel": "panel",
    "Purpose": "types",
    "QuoteConfig": "micro.aggregator",
    "Side": "types",
    "Verdict": "types",
    "drill": "run.entry",
    "open_world": "notebook.world",
    "plan_entry": "run.entry",
    "run_macro": "run.macro_loop",
}

__all__ = [
    "Account",
    "CcxtFeed",
    "CitadelError",
    "GateConfig",
    "GuardConfig",
    "HybridConnector",
    "Instrument",
    "LiveDriver",
    "MacroSignal",
    "MicroSnapshot",
    "OrderIntent",
    "Panel",
    "Purpose",
    "QuoteConfig",
    "Side",
    "Verdict",
    "drill",
    "open_world",
    "plan_entry",
    "run_macro",
]


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
