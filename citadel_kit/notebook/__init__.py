"""What only a notebook needs: its inputs, its pictures, its result file, and a way to run it unattended."""

from __future__ import annotations

from citadel_kit.notebook.figures import macro_picture
from citadel_kit.notebook.loops import allow_nested_loops
from citadel_kit.notebook.progress import progress_bar
from citadel_kit.notebook.result import write_result
from citadel_kit.notebook.world import World, open_world

__all__ = ["World", "allow_nested_loops", "macro_picture", "open_world", "progress_bar", "write_result"]
