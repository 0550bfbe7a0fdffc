"""The package as it is shipped: built once, installed into environments that know nothing of this clone."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
# Nothing of this clone is to be found by chance.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
_OFFLINE = re.compile(r"dns error|error sending request|Failed to fetch|Connection refused")


@dataclass(frozen=True)
class Package:
    """The wheel and the sdist."""

    wheel: Path
    sdist: Path

    @cached_property
    def in_wheel(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    @cached_property
    def in_sdist(self) -> dict[str, bytes]:
        """By path in the clone, without the folder around all."""
        with tarfile.open(self.sdist) as archive:
            files = {each.name: archive.extractfile(each) for each in archive if each.isfile()}
            return {name.partition("/")[2]: file.read() for name, file in files.items() if file is not None}


@dataclass(frozen=True)
class Environment:
    """A virtual environment with jwtauthz in it, and a folder to work in."""

    python: Path
    folder: Path

    def run(self, *arguments: str | Path, status: int = 0) -> str:
        """What a Python there prints, to either output."""
        return self.execute(self.python, *arguments, status=status)

    def script(self, name: str, *arguments: str, status: int = 0) -> str:
        """What a command that was installed there prints."""
        return self.execute(self.python.parent / name, *arguments, status=status)

    def execute(self, *command: str | Path, status: int = 0) -> str:
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == status, done.stdout
        return done.stdout


@pytest.fixture(scope="session")
def uv(cannot_run) -> Callable[..., str]:
    """`uv(*arguments)`: its output; a registry that can't be reached is no fault of ours."""
    if importlib.util.find_spec("uv") is None:
        cannot_run("uv is not installed, which makes environments in a second")

    def run(*arguments: str | Path) -> str:
        command = [sys.executable, "-m", "uv", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        if done.returncode and _OFFLINE.search(done.stderr):
            cannot_run("the package registry can't be reached")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def package(uv, tmp_path_factory) -> Package:
    """Both, the wheel built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--python", sys.executable, "--out-dir", folder, ROOT)
    return Package(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


@pytest.fixture(scope="session")
def environment(uv, package, tmp_path_factory) -> Callable[..., Environment]:
    """`environment("flask")`: the wheel with that extra alone; `environment("flask", "pytest")`: pytest too."""
    made: dict[tuple[str, ...], Environment] = {}

    def make(extra: str = "", *others: str) -> Environment:
        if (extra, *others) not in made:
            folder = tmp_path_factory.mktemp(f"with-{extra or 'nothing'}-")
            uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
            python = folder / "venv" / "bin" / "python"
            wheel = f"{package.wheel}[{extra}]" if extra else str(package.wheel)
            uv("pip", "install", "--quiet", "--python", python, wheel, *others)
            made[extra, *others] = Environment(python, folder)
        return made[extra, *others]

    return make
