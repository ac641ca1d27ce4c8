"""What only a notebook needs: its inputs, its pictures, its result file, and a way to run it unattended.

The names are imported when they are first used, as those of the package itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from citadel_kit.notebook.doubts import paths_picture, second_opinion, sizes
    from citadel_kit.notebook.figures import macro_picture
    from citadel_kit.notebook.loops import allow_nested_loops
    from citadel_kit.notebook.lossy import Comparison, compare
    from citadel_kit.notebook.lossy_figure import books_picture
    from citadel_kit.notebook.order_figure import order_picture
    from citadel_kit.notebook.order_record import record_orders
    from citadel_kit.notebook.progress import progress_bar
    from citadel_kit.notebook.regime_figure import RegimePicture
    from citadel_kit.notebook.regime_study import RegimeStudy, study_regimes
    from citadel_kit.notebook.result import write_result
    from citadel_kit.notebook.tearsheet import tear_sheet
    from citadel_kit.notebook.training import (
        compare_variants,
        fold_scores,
        folds_picture,
        honesty,
        importance_picture,
        keep_model,
    )
    from citadel_kit.notebook.watching import Watched, watch
    from citadel_kit.notebook.watching_figure import watched_picture
    from citadel_kit.notebook.world import World, open_world

_MODULES: Final = {
    "Comparison": "lossy",
    "RegimePicture": "regime_figure",
    "RegimeStudy": "regime_study",
    "Watched": "watching",
    "World": "world",
    "allow_nested_loops": "loops",
    "books_picture": "lossy_figure",
    "compare": "lossy",
    "compare_variants": "training",
    "fold_scores": "training",
    "folds_picture": "training",
    "honesty": "training",
    "importance_picture": "training",
    "keep_model": "training",
    "macro_picture": "figures",
    "open_world": "world",
    "order_picture": "order_figure",
    "paths_picture": "doubts",
    "record_orders": "order_record",
    "progress_bar": "progress",
    "second_opinion": "doubts",
    "sizes": "doubts",
    "study_regimes": "regime_study",
    "watch": "watching",
    "watched_picture": "watching_figure",
    "tear_sheet": "tearsheet",
    "write_result": "result",
}

__all__ = [
    "Comparison",
    "RegimePicture",
    "RegimeStudy",
    "Watched",
    "World",
    "allow_nested_loops",
    "books_picture",
    "compare",
    "compare_variants",
    "fold_scores",
    "folds_picture",
    "honesty",
    "importance_picture",
    "keep_model",
    "macro_picture",
    "open_world",
    "order_picture",
    "paths_picture",
    "progress_bar",
    "record_orders",
    "second_opinion",
    "sizes",
    "study_regimes",
    "watch",
    "watched_picture",
    "tear_sheet",
    "write_result",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
