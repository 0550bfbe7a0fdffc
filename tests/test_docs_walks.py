"""The tutorials, followed word for word: files are written, commands run, what is shown is what comes.

A page with a Python block that has a title is followed from top to bottom. A block with a title becomes that
file. A `console` block is typed: in the reader's first terminal, where its output must be what the page shows, or
in the terminal of its title, where it goes on running and each line that is shown must come. So must the lines of
a `text` block with the title of a terminal. Only what differs from day to day may differ: the values of the
headers Date and Server.

Where outputs have changed, write them anew with

    UPDATE_DOCS=1 python -m pytest tests/test_docs_walks.py
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from docs_blocks import DOCS, PAGES, blocks

ROOT = Path(__file__).parent.parent
WALKS = [page for page in PAGES if page.startswith("tutorials/")]
PORT = "8000"  # what the pages say; a free one is used instead
# What a fresh environment needs, and the one in which tests run has already.
PREPARATIONS = ("python3 -m venv ", ". .venv/bin/activate", "pip install ")


class Walk:
    """One reader with some terminals, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.terminals: dict[str, subprocess.Popen] = {}
        self.exports: dict[str, list[str]] = {}  # a terminal remembers them when its command has ended
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JWTAUTHZ_", "FLASK_"))}
        # No colours, no bytecode, nobody's proxy between us and loopback.
        self.env = kept | {"PATH": path, "PYTHONPATH": str(ROOT), "NO_PROXY": "*", "PYTHONUNBUFFERED": "1"}

    def type(self, commands: list[str]) -> str:
        """Run commands in the first terminal; gives what they print."""
        return self._here(_bash(self._there("\n".join(commands)), self.folder, self.env))

    def start(self, terminal: str, commands: list[str]) -> None:
        """Run commands in another terminal, the last of which goes on until the next start, or the end."""
        self.stop(terminal)
        *first, last = commands
        known = self.exports.setdefault(terminal, [])
        known += [command for command in first if command.startswith("export ")]
        assert len(known) >= len(first), "what stands before the last command is to be an export"
        script = "\n".join([*known, f"exec {last}"])
        with self._log(terminal).open("wb") as log:
            self.terminals[terminal] = subprocess.Popen(
                ["bash", "-c", self._there(script)],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def comes(self, terminal: str, lines: list[str]) -> None:
        """Wait until that terminal shows these lines, in this order."""
        end = time.monotonic() + 30
        while True:
            shown = self._here(self._log(terminal).read_text()).splitlines()
            rest = iter(shown)
            if all(any(line in found for found in rest) for line in lines):
                return
            assert time.monotonic() < end, f"{lines} do not come; shown is:\n" + "\n".join(shown)
            time.sleep(0.05)

    def stop(self, terminal: str) -> None:
        """Press Ctrl-C."""
        process = self.terminals.pop(terminal, None)
        if process is not None:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
            process.stdin.close()

    def _log(self, terminal: str) -> Path:
        return self.folder / f"{terminal}.log"

    def _there(self, text: str) -> str:
        return text.replace(PORT, self.port)

    def _here(self, text: str) -> str:
        return text.replace(self.port, PORT)


def _bash(script: str, folder: Path, env: dict[str, str]) -> str:
    # curl tells its progress on the other stream, and only where its output is no terminal.
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, timeout=60, check=True)
    return done.stdout.decode().replace("\r", "")


def exchanges(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what is shown below it."""
    found = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not found[0]
    pairs = []
    for part in found[1:]:
        lines = part.split("\n")
        last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        pairs.append(("\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])))
    return pairs


def steady(text: str) -> str:
    """Without what is another tomorrow."""
    return re.sub(r"^(date|server): .*$", r"\1: …", text.strip(), flags=re.MULTILINE | re.IGNORECASE)


@pytest.fixture
def walk(tmp_path, cannot_run):
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            cannot_run(f"{program} is not installed")
    walk = Walk(tmp_path)
    yield walk
    for terminal in list(walk.terminals):
        walk.stop(terminal)


def test_there_is_a_tutorial_for_each_framework():
    assert {f"tutorials/{name}.md" for name in ("flask", "starlette", "fastapi")} <= set(WALKS)


@pytest.mark.parametrize("page", WALKS)
def test_a_tutorial_can_be_followed_word_for_word(page, walk):
    text = (DOCS / page).read_text()
    prepared = set()
    compared = 0
    for block in blocks(page):
        if block.language == "python" and block.title:
            (walk.folder / block.title).write_text(block.text)
        elif block.language == "text" and block.title:
            walk.comes(block.title, block.text.splitlines())
        elif block.language == "console" and block.title:
            pairs = exchanges(block.text)
            walk.start(block.title, [command for command, _ in pairs])
            walk.comes(block.title, pairs[-1][1].splitlines())
        elif block.language == "console":
            for command, shown in exchanges(block.text):
                if command.startswith(PREPARATIONS):
                    prepared.add(command.split()[0])
                    continue
                came = walk.type([command])
                if os.environ.get("UPDATE_DOCS") and steady(came) != steady(shown):
                    text = text.replace(f"$ {command}\n{shown}", f"$ {command}\n{came.rstrip()}\n", 1)
                    (DOCS / page).write_text(text)
                    continue
                assert steady(came) == steady(shown), command
                compared += bool(shown.strip())
    assert prepared == {"python3", ".", "pip"}
    assert compared > 3 or os.environ.get("UPDATE_DOCS")
