"""What `import citadel_kit` costs, what it offers, and who may import whom."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import citadel_kit

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "pandas",
    "numpy",
    "numba",
    "ccxt",
    "asyncio",
    "lightgbm",
    "xgboost",
    "pyarrow",
    "matplotlib",
    "IPython",
}


def modules_after(statement: str) -> set[str]:
    code = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return set(json.loads(done.stdout))


def test_the_import_loads_nothing_heavy() -> None:
    loaded = modules_after("import citadel_kit") - modules_after("pass")
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("citadel_kit")} == {"citadel_kit"}


@pytest.mark.parametrize("name", citadel_kit.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(citadel_kit, name).__name__ == name
    assert name in dir(citadel_kit)


def test_the_type_checker_sees_the_same_names() -> None:
    tree = ast.parse((ROOT / "citadel_kit" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: str(node.module).removeprefix("citadel_kit.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == citadel_kit._MODULES
    assert sorted(seen) == citadel_kit.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = citadel_kit.nothing_like_this


def test_the_import_contracts_hold() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports, "--no-cache"], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
