"""Requests a second of a protected route over those of an open one, in each framework, and over Express.

    python -m benchmarks http [--only NAME] [--rounds N] [--quick] [--write]

Servers on one core, wrk with 16 connections on another. Each run stands between two of what it is compared with,
in turns over several rounds, and all carry the same header; what is told is the median of the ratios.
"""

from __future__ import annotations

import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import _lines, _servers, _workload
from ._lines import Line
from ._servers import Skipped
from ._timing import pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jwtauthz.testing import FakeIssuer

ROUNDS, QUICK_ROUNDS = 11, 2
SECONDS = 1  # of each run
WARM_UP = 2  # compilers in servers need it
SERVERS = (
    *("starlette_open", "starlette_middleware", "starlette_route", "starlette_pyjwt"),
    *("fastapi", "fastapi_open", "fastapi_empty", "flask", "express"),
)


@dataclass(frozen=True)
class Comparison:
    """A server's route over another's; with one token for all requests, or another one for each."""

    work: str
    server: str
    over: str
    tokens: Literal["one", "many"] = "one"
    path: str = "/protected"
    over_path: str = "/open"
    target: float | None = None

    @property
    def name(self) -> str:
        return f"{self.work}; {'one token' if self.tokens == 'one' else 'every request another token'}"


_EXPRESS = ("/protected", "/protected")
COMPARISONS = (
    Comparison("ASGI middleware, over open", "starlette_middleware", "starlette_open", target=0.92),
    Comparison("ASGI middleware, over open", "starlette_middleware", "starlette_open", "many", target=0.60),
    Comparison("middleware and @requires, over open", "starlette_route", "starlette_open"),
    Comparison("middleware and @requires, over open", "starlette_route", "starlette_open", "many"),
    Comparison("Starlette route with PyJWKClient, over open", "starlette_pyjwt", "starlette_open", "many"),
    Comparison(
        "FastAPI: a dependency that does nothing, over open", "fastapi_empty", "fastapi_open", path="/empty"
    ),
    Comparison("FastAPI dependency, over open", "fastapi", "fastapi_open", target=0.92),
    Comparison("FastAPI dependency, over open", "fastapi", "fastapi_open", "many"),
    Comparison("Flask decorator, over open", "flask", "flask", target=0.92),
    Comparison("Flask decorator, over open", "flask", "flask", "many"),
    Comparison("protected Express route, over open", "express", "express"),
    Comparison("protected Express route, over open", "express", "express", "many"),
    Comparison("our Starlette route over that Express route", "starlette_route", "express", "one", *_EXPRESS, 4),
    Comparison("our Starlette route over that Express route", "starlette_route", "express", "many", *_EXPRESS),
)


class Rig:
    """Servers that run, and files of tokens to send."""

    def __init__(self, stack: ExitStack, issuer: FakeIssuer, wanted: Sequence[str]) -> None:
        self.urls: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tokens = _workload.tokens(issuer, 2 * _workload.TOKENS)
        self._one = folder / "one"
        self._one.write_text(tokens[0] + "\n")
        # Two of them, in turns: a run meets no token that the run before has left in a cache.
        self._many = [folder / "even", folder / "odd"]
        for index, path in enumerate(self._many):
            path.write_text("\n".join(tokens[index::2]) + "\n")
        bad = _workload.forged(tokens[0], "RS256")
        for name in wanted:
            try:
                self.urls[name] = stack.enter_context(_start(name, issuer))
            except Skipped as reason:
                self.skipped[name] = str(reason)
                continue
            self._try_out(name, tokens[0], bad)

    def _try_out(self, name: str, token: str, bad: str) -> None:
        """What is measured must let the good token in, and nothing else."""
        url = f"{self.urls[name]}/protected"
        if name == "starlette_open":
            return
        found = (_servers.answers(url, token), _servers.answers(url, bad), _servers.answers(url))
        if found != (200, 401, 401):
            raise RuntimeError(f"{name} answers {found} to a good token, a forged one, and none")

    def rate(self, server: str, path: str, tokens: str, seconds: float) -> float:
        if tokens == "many":
            self._many.reverse()
            return _servers.load(self.urls[server] + path, self._many[0], seconds).rate
        return _servers.load(self.urls[server] + path, self._one, seconds).rate


def _start(name: str, issuer: FakeIssuer) -> Any:
    if name == "flask":
        return _servers.gunicorn(issuer.url)
    if name == "express":
        return _servers.express(issuer.url, _workload.AUDIENCE)
    return _servers.uvicorn(name, issuer.url)


@dataclass
class Measured:
    """The rates of one comparison, run by run."""

    comparison: Comparison
    rates: list[float]
    over: list[float]
    ratios: list[float]

    @property
    def line(self) -> Line:
        low, high = min(self.ratios), max(self.ratios)
        rates = f"{statistics.median(self.rates):,.0f} of {statistics.median(self.over):,.0f} requests/s"
        return Line(
            self.comparison.name,
            statistics.median(self.ratios),
            target=self.comparison.target,
            bound="at least",
            detail=f"{rates}; {low:.2f}–{high:.2f}",
        )


def measure(rig: Rig, comparisons: Sequence[Comparison], rounds: int, seconds: float = SECONDS) -> list[Measured]:
    results = [Measured(comparison, [], [], []) for comparison in comparisons]
    routes = {(it.server, it.path) for it in comparisons} | {(it.over, it.over_path) for it in comparisons}
    for server, path in sorted(routes):
        rig.rate(server, path, "one", WARM_UP)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds} ...", flush=True)
        before: tuple[tuple[str, str, str], float] | None = None  # the last run, if it may serve the next as well
        for result in results:
            it = result.comparison
            kind = it.tokens if it.over_path == "/protected" else "one"
            base = (it.over, it.over_path, kind)
            first = before[1] if before and before[0] == base else rig.rate(*base, seconds)
            rate = rig.rate(it.server, it.path, it.tokens, seconds)
            last = rig.rate(*base, seconds)
            before = (base, last)
            result.rates.append(rate)
            result.over.append((first + last) / 2)
            result.ratios.append(rate / result.over[-1])
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _lines.parser("http", __doc__)
    parser.add_argument("--only", action="append", choices=SERVERS, help="comparisons of this server")
    parser.add_argument("--rounds", type=int, help=f"how often all of it is measured ({ROUNDS})")
    options = parser.parse_args(arguments)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    try:
        _servers.wrk()
    except Skipped as reason:
        print(f"http: skipped: {reason}")
        return 0
    pin(_servers.load_core())
    wanted = [it for it in COMPARISONS if options.only is None or it.server in options.only]
    servers = [name for name in SERVERS if any(name in {it.server, it.over} for it in wanted)]
    with ExitStack() as stack:
        issuer = stack.enter_context(_workload.an_issuer())
        rig = Rig(stack, issuer, servers)
        for name, reason in rig.skipped.items():
            print(f"{name}: skipped: {reason}", flush=True)
        wanted = [it for it in wanted if it.server in rig.urls and it.over in rig.urls]
        results = measure(rig, wanted, rounds)
        node = _servers.express_versions() if "express" in rig.urls else ""
    packages = ("starlette", "uvicorn", "uvloop", "httptools", "fastapi", "flask", "gunicorn", "PyJWT")
    where = _lines.environment(*packages)
    where = f"{where[:-1]}; {node}." if node else where
    rows = [{**asdict(result), "ratio": result.line.value, "met": result.line.met} for result in results]
    _lines.tell("http", _lines.table(result.line for result in results), where, rows, write=options.write)
    return 0
