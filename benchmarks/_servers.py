"""Servers under load: started on one core, with wrk on another."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from . import _report
from ._timing import cores, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
CONNECTIONS = 16
# Their newest that go together: express-jwt-authz wants Express 4.
NPM = ("express@4", "express-jwt@8", "jwks-rsa@4", "express-jwt-authz@2")


class Skipped(Exception):  # no error: it is told, and the rest goes on
    """Something that is needed is not here; the text says what."""


class Load(NamedTuple):
    """What wrk saw: requests a second, and the wait in microseconds."""

    rate: float
    p50: float
    p99: float


def server_core() -> list[int]:
    return cores()[:1]


def load_core() -> list[int]:
    return cores()[1:2] or server_core()


def wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise Skipped("wrk is not installed; on Debian and Ubuntu: apt-get install wrk")
    return found


def load(url: str, tokens: Path, seconds: float) -> Load:
    """Put a URL under load. Raises RuntimeError if anything but 200 is answered."""
    # wrk takes whole seconds only.
    command = [wrk(), "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
    with pinned(load_core()):
        run = subprocess.run(
            [*command, "-s", str(HERE / "_load.lua"), url, "--", str(tokens)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    told = json.loads(run.stdout.splitlines()[-1])
    if told["refused"] or told["failed"] or not told["requests"]:
        raise RuntimeError(f"{url}: {told}")
    return Load(told["requests"] / told["seconds"], told["p50"], told["p99"])


def needs(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise Skipped(f"{module} is not installed; see benchmarks/README.md")


@contextmanager
def uvicorn(name: str, issuer: str) -> Iterator[str]:
    """An application of `_apps.py` under uvicorn with uvloop and httptools."""
    needs("uvicorn", "uvloop", "httptools", "fastapi" if name.startswith("fastapi") else "starlette")
    port = _free_port()
    with _running([sys.executable, "-m", "benchmarks._apps", name, str(port), issuer], port) as url:
        yield url


@contextmanager
def gunicorn(issuer: str) -> Iterator[str]:
    """The Flask application under gunicorn: one worker, with threads, since it alone keeps connections open."""
    needs("gunicorn", "flask")
    port = _free_port()
    command = [sys.executable, "-m", "gunicorn", "--workers=1", "--worker-class=gthread", "--threads=4"]
    command += [f"--bind=127.0.0.1:{port}", "--log-level=error", "--no-control-socket"]
    with _running([*command, f"benchmarks._apps:flask_app({issuer!r})"], port) as url:
        yield url


@contextmanager
def express(issuer: str, audience: str) -> Iterator[str]:
    """The Express stack; its packages are installed once, beside other caches of the user."""
    modules = _npm_packages()
    port = _free_port()
    command = [_program("node"), str(HERE / "_express.cjs"), str(port), issuer, audience]
    with _running(command, port, NODE_PATH=str(modules), NODE_ENV="production") as url:
        yield url


def express_versions() -> str:
    modules = _npm_packages()
    names = [name.partition("@")[0] for name in NPM]
    found = [json.loads((modules / name / "package.json").read_text())["version"] for name in names]
    node = subprocess.run([_program("node"), "--version"], stdout=subprocess.PIPE, text=True, check=True)
    told = ", ".join(f"{name} {version}" for name, version in zip(names, found, strict=True))
    return f"Node {node.stdout.strip().removeprefix('v')}, {told}"


def _npm_packages() -> Path:
    npm = _program("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jwtauthz-benchmarks" / "express"
    modules = cache / "node_modules"
    if not all((modules / name.partition("@")[0]).is_dir() for name in NPM):
        cache.mkdir(parents=True, exist_ok=True)
        options = ["--prefix", str(cache), "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
        run = subprocess.run(
            [npm, "install", *options, *NPM],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode:
            raise Skipped(f"npm install failed: {(run.stdout.strip().splitlines() or ['?'])[-1][:120]}")
    return modules


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Skipped(f"{name} is not installed")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: Sequence[str], port: int, **environment: str) -> Iterator[str]:
    """A server on its core, from the first answer on until the block ends."""
    with pinned(server_core()):
        process = subprocess.Popen(
            command,
            cwd=_report.ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # they log what they refuse
        )
    try:
        _wait_for(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, patience: float = 30) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode} before it answered")
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server does not answer")


def answers(url: str, token: str | None = None) -> int:
    """The status of one request."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urlopen(Request(url, headers=headers), timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code
