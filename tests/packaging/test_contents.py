"""What is shipped: everything that somebody needs, and nothing that is only ours."""

from __future__ import annotations

import subprocess
import tomllib
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIST_INFO = f"{PROJECT['name']}-{PROJECT['version']}.dist-info"


def test_the_wheel_holds_the_package_and_nothing_else(package):
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "jwtauthz").rglob("*") if path.is_file()}
    told = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    expected = {name for name in ours if "__pycache__" not in name} | {f"{DIST_INFO}/{name}" for name in told}
    assert set(package.in_wheel) == expected
    assert "jwtauthz/py.typed" in expected


def test_the_wheel_says_of_itself_what_pyproject_says(package):
    told = message_from_bytes(package.in_wheel[f"{DIST_INFO}/METADATA"])
    assert (told["Name"], told["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert told["Requires-Python"] == PROJECT["requires-python"]
    assert told["License-Expression"] == "MIT"
    assert set(told.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert told.get_payload(decode=True).decode().strip() == (ROOT / "README.md").read_text().strip()
    # Without an extra: what is named first in pyproject, and not one framework.
    plain = [line for line in told.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(line.split(">")[0].lower() for line in plain) == ["cryptography", "httpx", "pyjwt[crypto]"]


def test_the_wheel_brings_the_command_and_the_pytest_plugin(package):
    entry_points = package.in_wheel[f"{DIST_INFO}/entry_points.txt"].decode()
    assert "jwtauthz = jwtauthz.cli:main" in entry_points
    assert "jwtauthz = jwtauthz.testing.pytest_plugin" in entry_points


@pytest.mark.parametrize("archive", ["in_wheel", "in_sdist"])
def test_no_path_of_the_machine_that_built_it_is_inside(package, archive):
    assert [name for name, content in getattr(package, archive).items() if bytes(ROOT) in content] == []


def test_the_sdist_holds_all_that_git_keeps_but_what_runs_for_this_clone_alone(package, cannot_run):
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        cannot_run("this is no clone, or git is not installed")
    kept = {name for name in listed if name and (ROOT / name).is_file() and not name.startswith(".ci/")}
    assert set(package.in_sdist) - {"PKG-INFO"} == kept


def test_the_registry_would_take_both(uv, package):
    said = uv("tool", "run", "--quiet", "twine", "check", "--strict", package.wheel, package.sdist)
    assert said.count("PASSED") == 2
