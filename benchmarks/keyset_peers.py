"""The same bad days for five libraries, over real sockets: fetches, refusals of good tokens, waits.

    python -m benchmarks keyset_peers [--only NAME] [--write]

Takes about a minute per library, nearly all of it waiting. Every scenario begins with a fresh key set and an
issuer of its own on loopback. A library that is not installed is skipped, and why is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from jwtauthz.testing import MisbehavingIssuer, behaviours

from . import _report
from ._peers import PEERS, TTL, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from ._peers import Peer

COOL = 31.0  # by then all cool-downs of 30 s are over
LIMIT = 60.0  # how long something is waited for that may never come


@dataclass(frozen=True)
class Outcome:
    """What a scenario showed; None where it does not ask for that."""

    fetches: int | None = None
    asked: int | None = None  # good tokens
    refused: int | None = None  # of them, as if they were bad
    unavailable: int | None = None  # of them, for want of keys
    worst_wait: float | None = None  # of a good token, in seconds
    after: float | None = None  # seconds until what was waited for; None: not within the limit


@dataclass
class Rig:
    """One library, its issuer, and what became of the good tokens it was shown."""

    peer: Peer
    issuer: MisbehavingIssuer
    verdicts: list[Verdict]
    waits: list[float]

    def token(self, **options: object) -> str:
        return self.peer.token(self.issuer, **options)

    async def good(self, token: str) -> None:
        begin = time.perf_counter()
        self.verdicts.append(await self.peer.check(token))
        self.waits.append(time.perf_counter() - begin)

    async def warm_up(self) -> int:
        """Show it a first good token; gives the fetches made so far."""
        token = self.token()
        if await self.peer.check(token) is not Verdict.ACCEPTED:
            raise RuntimeError(f"{self.peer.name} does not accept a good token from a healthy issuer")
        return self.issuer.fetches()

    def outcome(self, *, since: int = 0) -> Outcome:
        return Outcome(
            fetches=self.issuer.fetches() - since,
            asked=len(self.verdicts),
            refused=self.verdicts.count(Verdict.REFUSED),
            unavailable=self.verdicts.count(Verdict.UNAVAILABLE),
            worst_wait=max(self.waits, default=None),
        )


@asynccontextmanager
async def rig(kind: type[Peer]) -> AsyncIterator[Rig]:
    with MisbehavingIssuer(cache_control=None) as issuer:
        issuer.token()  # its key is made now
        yield Rig(kind(issuer), issuer, [], [])


async def cold(kind: type[Peer]) -> Outcome:
    """50 first requests at once; the issuer takes 200 ms"""
    async with rig(kind) as r:
        r.issuer.behave(behaviours.slow(0.2), at="everywhere")
        token = r.token()
        await asyncio.gather(*(r.good(token) for _ in range(50)))
        return r.outcome()


async def flood(kind: type[Peer]) -> Outcome:
    """500 tokens with unknown key IDs, 20 at a time, and a good one with each 20"""
    async with rig(kind) as r:
        since = await r.warm_up()
        good = r.token()
        for batch in range(25):
            junk = [r.token(kid=f"junk-{batch}-{i}") for i in range(20)]
            await asyncio.gather(*map(r.peer.check, junk), r.good(good))
        return r.outcome(since=since)


async def flood_in_outage(kind: type[Peer]) -> Outcome:
    """31 s later, the issuer answers 503: 60 such tokens, a good one with each"""
    async with rig(kind) as r:
        since = await r.warm_up()
        good = r.token()
        junk = [r.token(kid=f"junk-{i}") for i in range(60)]
        await asyncio.sleep(COOL)
        r.issuer.behave(behaviours.failing(503), at="everywhere")
        for token in junk:
            await r.peer.check(token)
            await r.good(good)
        return r.outcome(since=since)


async def outage(kind: type[Peer]) -> Outcome:
    """The issuer answers 503, and the keys grow older than their TTL: 50 good tokens in 5 s"""
    async with rig(kind) as r:
        since = await r.warm_up()
        good = r.token()
        r.issuer.behave(behaviours.failing(503), at="everywhere")
        await asyncio.sleep(TTL + 1)
        for _ in range(50):
            await r.good(good)
            await asyncio.sleep(0.1)
        return r.outcome(since=since)


async def slow_refresh(kind: type[Peer]) -> Outcome:
    """The issuer takes 2 s, and the TTL ends: good tokens, ten a second"""
    async with rig(kind) as r:
        since = await r.warm_up()
        good = r.token()
        r.issuer.behave(behaviours.slow(2), at="everywhere")
        await asyncio.sleep(TTL * 0.7)
        tasks = []
        for _ in range(int(TTL * 0.5 * 10)):
            tasks.append(asyncio.create_task(r.good(good)))
            await asyncio.sleep(0.1)
        await asyncio.gather(*tasks)
        return r.outcome(since=since)


async def slow_unknown(kind: type[Peer]) -> Outcome:
    """31 s later, the issuer takes 2 s: one unknown key ID, then good tokens, ten a second"""
    async with rig(kind) as r:
        since = await r.warm_up()
        good, junk = r.token(), r.token(kid="junk")
        await asyncio.sleep(COOL - 2)
        r.issuer.behave(behaviours.slow(2), at="everywhere")
        await asyncio.sleep(2)
        tasks = [asyncio.create_task(r.peer.check(junk))]
        for _ in range(20):
            await asyncio.sleep(0.1)
            tasks.append(asyncio.create_task(r.good(good)))  # type: ignore[arg-type]
        await asyncio.gather(*tasks)
        return r.outcome(since=since)


async def new_key_early(kind: type[Peer]) -> Outcome:
    """A new key signs 3 s after the first fetch: until it is accepted"""
    return await _new_key(kind, 3)


async def new_key(kind: type[Peer]) -> Outcome:
    """A new key signs 31 s after the first fetch: until it is accepted"""
    return await _new_key(kind, COOL)


async def _new_key(kind: type[Peer], pause: float) -> Outcome:
    async with rig(kind) as r:
        await r.warm_up()
        await asyncio.sleep(pause)
        await asyncio.to_thread(r.issuer.rotate)  # making a key takes a while
        token = r.token()
        return Outcome(after=await _until(r, token, Verdict.ACCEPTED))


async def removed_key(kind: type[Peer]) -> Outcome:
    """A key is removed 3 s after the first fetch, others stay: until its tokens are refused"""
    async with rig(kind) as r:
        old = r.token()
        await asyncio.to_thread(r.issuer.rotate)
        await r.warm_up()
        await asyncio.sleep(3)
        r.issuer.forget_old_keys()
        return Outcome(after=await _until(r, old, Verdict.REFUSED))


async def _until(r: Rig, token: str, wanted: Verdict) -> float | None:
    begin = time.perf_counter()
    while (passed := time.perf_counter() - begin) < LIMIT:
        if await r.peer.check(token) is wanted:
            return time.perf_counter() - begin
        await asyncio.sleep(0.25)
    return None if passed >= LIMIT else passed


SCENARIOS: tuple[Callable[[type[Peer]], Awaitable[Outcome]], ...] = (
    cold,
    flood,
    flood_in_outage,
    outage,
    slow_refresh,
    slow_unknown,
    new_key_early,
    new_key,
    removed_key,
)


async def measure(kind: type[Peer]) -> dict[str, Outcome]:
    """Run the short scenarios one after the other, then the long ones side by side: they mostly sleep."""
    results = {}
    for scenario in SCENARIOS[:2]:
        results[scenario.__name__] = await scenario(kind)

    async def later(index: int, scenario: Callable[[type[Peer]], Awaitable[Outcome]]) -> None:
        await asyncio.sleep(index * 1.7)  # so that they do not all fetch in one moment
        results[scenario.__name__] = await scenario(kind)

    await asyncio.gather(*(later(index, scenario) for index, scenario in enumerate(SCENARIOS[2:])))
    return results


def tables(measured: dict[str, dict[str, Outcome]], versions: dict[str, str]) -> str:
    def after(outcome: Outcome) -> str:
        return f"> {LIMIT:.0f} s" if outcome.after is None else _report.seconds(outcome.after)

    def wait(outcome: Outcome) -> str:
        worst = outcome.worst_wait or 0.0
        return _report.seconds(worst) if worst >= 0.001 else "<1 ms"

    def away(outcome: Outcome) -> str:
        told = [
            f"{count} {word}"
            for count, word in ((outcome.refused, "refused"), (outcome.unavailable, "unavailable"))
            if count
        ]
        return ", ".join(told) or "0"

    fetches = _report.table(
        [
            "library",
            "50 first requests at once",
            "500 unknown key IDs",
            "60 unknown key IDs while the issuer answers 503",
            "50 good tokens past the TTL, the same",
        ],
        [
            [
                f"{name} {versions[name]}",
                *(str(of[key].fetches) for key in ("cold", "flood", "flood_in_outage", "outage")),
            ]
            for name, of in measured.items()
        ],
    )
    good = _report.table(
        [
            "library",
            "good tokens turned away: past the TTL, issuer at 503 (of 50)",
            "worst wait: TTL ends, issuer takes 2 s",
            "worst wait: an unknown key ID is looked up, the same",
            "new key accepted after: 3 s from the first fetch",
            "31 s from it",
            "removed key refused after",
        ],
        [
            [
                name,
                away(of["outage"]),
                wait(of["slow_refresh"]),
                wait(of["slow_unknown"]),
                after(of["new_key_early"]),
                after(of["new_key"]),
                after(of["removed_key"]),
            ]
            for name, of in measured.items()
        ],
    )
    return f"Fetches of the JWKS:\n\n{fetches}\n\nGood tokens:\n\n{good}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks keyset_peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", action="append", choices=[kind.name for kind in PEERS], help="this library")
    parser.add_argument("--write", action="store_true", help="keep the results in the repository")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)  # what a child prints
    options = parser.parse_args(arguments)
    wanted = [kind for kind in PEERS if options.only is None or kind.name in options.only]
    if options.raw:
        logging.disable()
        outcomes = asyncio.run(measure(wanted[0]))
        print(json.dumps({name: asdict(outcome) for name, outcome in outcomes.items()}))
        return 0
    measured, versions = {}, {}
    for kind in wanted:
        if (reason := kind.missing()) is not None:
            print(f"{kind.name}: skipped: {reason}", flush=True)
            continue
        print(f"{kind.name} {kind.version()} ...", flush=True)
        measured[kind.name] = _in_a_process_of_its_own(kind)
        versions[kind.name] = kind.version()
    text = tables(measured, versions)
    print(f"\n{text}\n\n{_report.machine()}.")
    if options.write:
        _write(text, measured, versions)
    return 0


def _in_a_process_of_its_own(kind: type[Peer]) -> dict[str, Outcome]:
    """No library is to suffer from what another one imported, patched or left running."""
    command = [sys.executable, "-m", "benchmarks", "keyset_peers", "--raw", "--only", kind.name]
    child = subprocess.run(command, cwd=_report.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return {name: Outcome(**values) for name, values in json.loads(child.stdout.splitlines()[-1]).items()}


def _write(text: str, measured: dict[str, dict[str, Outcome]], versions: dict[str, str]) -> None:
    rows = [
        {"library": name, "version": versions[name], "scenario": scenario, **asdict(outcome)}
        for name, outcomes in measured.items()
        for scenario, outcome in outcomes.items()
    ]
    about = {"machine": _report.machine(), "ttl": TTL}
    paths = [_report.write_json("keyset_peers", about, rows)]
    told = f"`python -m benchmarks keyset_peers --write`; {_report.machine()}.\n\n{text}"
    for path, kept in (
        (_report.ROOT / "benchmarks" / "README.md", told),
        (_report.ROOT / "docs" / "keys.md", text),
    ):
        if _report.write_into(path, "keyset_peers", kept):
            paths.append(path)
    for path in paths:
        print(f"wrote {path.relative_to(_report.ROOT)}")
