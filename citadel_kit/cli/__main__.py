"""`python -m citadel_kit.cli`."""

from __future__ import annotations

from citadel_kit.cli import main

main()
