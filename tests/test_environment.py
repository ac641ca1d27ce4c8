"""pyproject.toml, requirements.lock and environment.yml describe one environment; no file names a machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11.0", "3.12.0", "3.13.0")
PLATFORMS = ("linux", "darwin")
INDEX_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("npmjs", "org"),
        ("jsdelivr", "net"),
        ("unpkg", "com"),
    )
)
MACHINE_PATH = re.compile(rb"(?<![\w.])/(?:home|root|work|Users)/")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def pins() -> list[tuple[Requirement, int]]:
    """Every pin of the lock with the number of its hashes."""
    lines = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    entries = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [
        (Requirement(entry.split(" --hash=")[0].strip()), entry.count("--hash=sha256:")) for entry in entries
    ]


def test_conda_users_get_the_same_packages(project: dict[str, Any]) -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert environment["name"] == "citadel_kit"
    assert conda == ["python=3.12", "pip"]
    *packages, itself = pip["pip"]
    assert itself == "-e ."
    assert sorted(packages) == sorted(project["project"]["dependencies"])


def test_every_pin_is_exact_and_hashed(pins: list[tuple[Requirement, int]]) -> None:
    for pin, hashes in pins:
        assert re.fullmatch(r"==[\w.!+]+", str(pin.specifier)), pin
        assert pin.url is None, pin
        assert hashes > 0, pin


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_the_project(
    project: dict[str, Any], pins: list[tuple[Requirement, int]], python: str, platform: str
) -> None:
    here = {"python_full_version": python, "python_version": python[:4], "sys_platform": platform}
    here |= {"platform_system": platform.capitalize(), "os_name": "posix"}
    locked = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin, _ in pins
        if pin.marker is None or pin.marker.evaluate(here)
    }
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement
    assert set(project["build-system"]["requires"]) <= set(project["dependency-groups"]["dev"])


def test_the_lock_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "index-url" not in lock


def test_no_file_names_an_index_or_a_machine() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("the list of tracked files needs git and a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        assert not [host for host in INDEX_HOSTS if host.encode() in content], name
        assert not MACHINE_PATH.search(content), name
