"""How many new tokens eight threads let in on all cores, over what one thread does on one.

    python -m benchmarks threads [--quick] [--write]

For `server.authorize`, and for the bare check of the signature as the bound. A build of Python without the global
lock is measured as well, if one is installed with what jwtauthz needs: `--python` names it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sysconfig
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import _lines, _report, _workload
from ._lines import Line
from ._timing import cores, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

THREADS = 8
ROUNDS, QUICK_ROUNDS = 15, 3
SECONDS, QUICK_SECONDS = 0.5, 0.1
FREE_THREADED = ("python3.14t", "python3.13t")


def rate(call: Callable[..., object], inputs: Sequence[tuple[Any, ...]], threads: int, seconds: float) -> float:
    """Calls a second of so many threads together, each beginning at another place among the inputs."""
    ready, counts = threading.Barrier(threads + 1), [0] * threads
    ending = 0.0

    def work(index: int) -> None:
        begin = len(inputs) * index // threads
        turn = [*inputs[begin:], *inputs[:begin]]
        ready.wait()
        done = 0
        while time.perf_counter() < ending:
            for arguments in islice(turn, 0, 50):
                call(*arguments)
            turn = turn[50:] + turn[:50]
            done += 50
        counts[index] = done

    started = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for thread in started:
        thread.start()
    begin = time.perf_counter()
    ending = begin + seconds
    ready.wait()
    for thread in started:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin)


def measure(rounds: int, seconds: float, count: int = 4 * _workload.TOKENS) -> list[dict[str, Any]]:
    """Pairs of rates, eight threads and one, for the decision and for the bare signature."""
    available = cores()
    rows = []
    with _workload.an_issuer() as issuer:
        server = _workload.a_server(issuer, token_cache=None)
        tokens = _workload.tokens(issuer, count)

        def authorize(header: str) -> object:
            return server.authorize(header, *_workload.NEEDS, claim=_workload.CLAIM)

        verify, inputs = _workload.bare_verify(issuer.key_set.keys[0], tokens)
        for name, call, given in (
            ("authorize, a new token", authorize, [(f"Bearer {token}",) for token in tokens]),
            ("bare verify", verify, inputs),
        ):
            for _ in range(rounds):
                pin(available[:1])
                before = rate(call, given, 1, seconds)
                pin(available)
                together = rate(call, given, THREADS, seconds)
                pin(available[:1])
                after = rate(call, given, 1, seconds)
                rows.append({"work": name, "threads": together, "one": (before + after) / 2})
        pin(available)
    return rows


def lines(rows: Sequence[dict[str, Any]], build: str = "") -> list[Line]:
    made = []
    for name in dict.fromkeys(row["work"] for row in rows):
        mine = [row for row in rows if row["work"] == name]
        together, alone = (statistics.median(row[key] for row in mine) for key in ("threads", "one"))
        made.append(
            Line(
                f"{name}: {THREADS} threads over one{build}",
                statistics.median(row["threads"] / row["one"] for row in mine),
                detail=f"{together:,.0f} of {alone:,.0f} a second",
            )
        )
    return made


def free_threaded(named: str | None) -> str:
    """A Python without the global lock that can run this. Raises LookupError with the reason if there is none."""
    for name in [named] if named else FREE_THREADED:
        found = shutil.which(name)
        if found is None:
            continue
        test = "import sys, jwtauthz, cryptography; sys.exit(sys._is_gil_enabled())"
        run = subprocess.run([found, "-c", test], cwd=_report.ROOT, stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode:
            last = (run.stderr.strip().splitlines() or ["it runs with the global lock"])[-1]
            raise LookupError(f"{name}: {last}")
        return found
    raise LookupError("no Python without the global lock is installed")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _lines.parser("threads", __doc__)
    parser.add_argument("--python", help="a free-threaded Python, by name or path")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)  # what a child prints
    options = parser.parse_args(arguments)
    how = (QUICK_ROUNDS, QUICK_SECONDS) if options.quick else (ROUNDS, SECONDS)
    rows = measure(*how)
    if options.raw:
        print(json.dumps(rows))
        return 0
    told = lines(rows)
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        try:
            command = [free_threaded(options.python), "-m", "benchmarks", "threads", "--raw"]
        except LookupError as reason:
            print(f"free-threaded: skipped: {reason}")
        else:
            command += ["--quick"] if options.quick else []
            child = subprocess.run(command, cwd=_report.ROOT, stdout=subprocess.PIPE, text=True, check=True)
            more = json.loads(child.stdout.splitlines()[-1])
            told += lines(more, ", without the global lock")
            rows += [{**row, "build": "free-threaded"} for row in more]
    text = f"{_lines.table(told)}\n\nOn {len(cores()) or '?'} cores; one thread is pinned to one of them."
    _lines.tell("threads", text, _lines.environment(), rows, write=options.write)
    return 0
