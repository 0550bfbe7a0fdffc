"""What an editor knows: tests/typed is read by mypy and by pyright, as an application's own code would be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = sorted(Path(__file__).with_name("typed").glob("*.py"))


def reads(module: str, *arguments: object) -> None:
    """A type checker finds nothing amiss, and every mistake that is marked as one."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy(cannot_run, tmp_path):
    if find_spec("mypy") is None:
        cannot_run("mypy is not installed")
    assert FILES
    reads("mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", *FILES)


def test_pyright(cannot_run):
    if find_spec("pyright") is None or shutil.which("node") is None:
        cannot_run("pyright or Node.js is not installed")
    reads("pyright", "--pythonpath", sys.executable, *FILES)
