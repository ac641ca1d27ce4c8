"""What a notebook shows of a running engine: `Panel` lives, `Still` stays in the file.

The panel sees a `snapshot()` callable, a few command callables and plain data, never an engine.
"""

from __future__ import annotations

from citadel_kit.panel.still import Still
from citadel_kit.panel.view import History, view
from citadel_kit.panel.widget import Panel, PanelWidget

__all__ = ["History", "Panel", "PanelWidget", "Still", "view"]
