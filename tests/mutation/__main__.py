"""`python -m tests.mutation`: are there mistakes that no test would notice?

Each mutant of a file runs the tests that reach its line, shortest first, up to the first that fails. Those that
no test fails are printed; `survivors.md` beside this file tells of each why it may live.

The tests are collected once. Each mutant is a fork of that process in which the code of one function is replaced,
so that it costs little more than its tests. What runs at import, constants and tables, is not mutated.
"""

from __future__ import annotations

import argparse
import ast
import gc
import os
import pickle
import random
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from .mutants import Mutant, mutants_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILES = ("checks", "policy", "requirements", "token", "verified_token", "plain_claims")
# What decides, and not what needs a browser, another process or a documentation to be held against.
TESTS = """
async_policy aws_http_api challenge checks claim_requirements claim_sources claims compat denial_log errors
express_vectors hierarchy organization plain_claims policy presets properties request requirements resource_server
step_up templates token verifier why
"""
DIRECTORIES = ("tests/why", "tests/conformance")
LONG_TEST = 0.3  # seconds; longer ones come last
LONGEST_TEST = 3.0  # seconds; longer ones are left out


class Mutate:
    """Takes the place of pytest's loop over the tests."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.reached: dict[str, dict[int, list[int]]] = {}
        self.seconds: list[float] = []
        self.failed: set[int] = set()
        self.now = -1
        self.items: list[pytest.Item] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            if self.now < 0:
                os._exit(1)
            self.failed.add(self.now)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = session.items
        session.config.pluginmanager.unregister(name="terminalreporter")
        asked = [name.partition(":") for name in self.options.files]
        paths = {
            ROOT / "jwtauthz" / f"{name}.py": set(map(int, filter(None, lines.split(","))))
            for name, _, lines in asked
        }
        begin = time.monotonic()
        self._learn(session.items, {str(path) for path in paths})
        say(f"{len(session.items)} tests, {len(self.failed)} of them left out, {time.monotonic() - begin:.0f} s")
        for path, lines in paths.items():
            self._try(path, lines)
        return True

    def _learn(self, items: list[pytest.Item], paths: set[str]) -> None:
        """Which tests reach which line, and how long each takes; in a child, for they leave things behind."""

        def run() -> Any:
            lines: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
            seconds = []
            for self.now in range(len(items)):
                begin = time.perf_counter()
                with tracing(paths) as seen:
                    run_one(items, self.now, self.now + 1)
                seconds.append(time.perf_counter() - begin)
                for path, line in seen:
                    lines[path][line].append(self.now)
            return {path: dict(found) for path, found in lines.items()}, seconds, self.failed

        self.reached, self.seconds, self.failed = in_child(run)
        self.failed |= {number for number, took in enumerate(self.seconds) if took > LONGEST_TEST}

    def _try(self, path: Path, lines: set[int]) -> None:
        mutants = [mutant for mutant in mutants_of(path) if not lines or mutant.line in lines]
        sample = self.options.sample
        if sample and sample < len(mutants):
            chosen = sorted(random.Random(len(mutants)).sample(range(len(mutants)), sample))
            say(f"{path.name}: {sample} of {len(mutants)} mutants, drawn by chance")
            mutants = [mutants[number] for number in chosen]
        begin, survivors = time.monotonic(), 0
        for mutant in mutants:
            tests = self._tests_for(mutant)
            if self._survives(mutant, tests):
                survivors += 1
                say(f"  {mutant}" + ("" if tests else " [no test reaches it]"))
        took = time.monotonic() - begin
        say(f"{path.name}: {len(mutants)} mutants, {survivors} survived, {took:.0f} s")

    def _tests_for(self, mutant: Mutant) -> list[int]:
        found = self.reached.get(str(mutant.path), {})
        # A statement over several lines is reached by any of them.
        numbers = {number for line in lines_of(mutant) for number in found.get(line, ())}
        rarity = self._rarity(mutant)
        # Those first that reach the rarest lines of the function, for that is where it decides; among equals one
        # of each file in turn: what tests of one file do not notice, another's may.
        turns: dict[Path, int] = defaultdict(int)
        order = []
        for number in sorted(numbers - self.failed, key=self.seconds.__getitem__):
            turns[self.items[number].path] += 1
            long = self.seconds[number] > LONG_TEST
            order.append(
                (long, rarity.get(number, 0), turns[self.items[number].path], self.seconds[number], number)
            )
        chosen, left = [], self.options.seconds
        for *_, seconds, number in sorted(order):
            if seconds <= left:
                left -= seconds
                chosen.append(number)
        return chosen

    def _rarity(self, mutant: Mutant) -> dict[int, int]:
        """For each test, how many tests reach the line that fewest reach, of those in the function it reaches."""
        found = self.reached.get(str(mutant.path), {})
        around = function_around(mutant)
        lines = sorted((line for line in found if line in around), key=lambda line: -len(found[line]))
        return {number: len(found[line]) for line in lines for number in found[line]}

    def _survives(self, mutant: Mutant, tests: list[int]) -> bool:
        expected = sum(self.seconds[number] for number in tests)
        child = os.fork()
        if not child:
            silence()
            # By default the signal ends the process: a mutant that never comes to an end is noticed too.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(10 + 5 * expected))
            self.now = -1
            try:
                plant(mutant)
                chosen = [self.items[number] for number in tests]
                for number in range(len(chosen)):
                    run_one(chosen, number, number + 1)
            except BaseException:  # noqa: BLE001
                os._exit(1)
            os._exit(0)
        return os.waitpid(child, 0)[1] == 0


def run_one(items: list[pytest.Item], number: int, following: int) -> None:
    item = items[number]
    then = items[following] if following < len(items) else None
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=then)


class tracing:  # noqa: N801
    """Notes the lines of some files that run meanwhile, in whichever thread."""

    def __init__(self, paths: set[str]) -> None:
        self.paths = paths
        self.seen: set[tuple[str, int]] = set()

    def _call(self, frame: Any, _event: str, _argument: Any) -> Any:
        return self._line if frame.f_code.co_filename in self.paths else None

    def _line(self, frame: Any, event: str, _argument: Any) -> Any:
        if event == "line":
            self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    def __enter__(self) -> set[tuple[str, int]]:
        threading.settrace(self._call)
        sys.settrace(self._call)
        return self.seen

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]


def in_child(run: Any) -> Any:
    """What a function gives that runs in a fork of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        silence()
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(run(), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        result = pickle.load(pipe)
    os.waitpid(child, 0)
    return result


def silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def say(line: str) -> None:
    """Past pytest, which has taken hold of standard output."""
    os.write(OUTPUT, f"{line}\n".encode())


def function_around(mutant: Mutant) -> range:
    """The lines of the innermost function that a mutant is in."""
    around = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(mutant.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return min((lines for lines in around if mutant.line in lines), key=len, default=range(0))


def lines_of(mutant: Mutant) -> range:
    """The lines of the smallest statement around a mutant."""
    best = range(mutant.line, mutant.line + 1)
    within = [
        node
        for node in ast.walk(mutant.tree)
        if isinstance(node, ast.stmt) and node.lineno <= mutant.line <= (node.end_lineno or node.lineno)
    ]
    statement = min(within, key=lambda node: (node.end_lineno or 0) - node.lineno, default=None)
    # Of a compound statement only its head: its body has lines of its own.
    if statement is not None and not getattr(statement, "body", None):
        best = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    return best


def plant(mutant: Mutant) -> None:
    """Put the mistake into the running process."""
    code = compile(mutant.tree, str(mutant.path), "exec")
    codes = {(each.co_qualname, each.co_firstlineno): each for each in all_codes(code)}
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__code__.co_filename == str(mutant.path):
            here = function.__code__
            function.__code__ = codes.get((here.co_qualname, here.co_firstlineno), here)


def all_codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from all_codes(constant)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "files",
        nargs="*",
        default=FILES,
        help=f"of jwtauthz, all by default: {', '.join(FILES)}; some lines: checks:25,76",
    )
    parser.add_argument("--sample", type=int, help="so many mutants of each file, drawn by chance")
    parser.add_argument(
        "--seconds", type=float, default=10, help="of tests for each mutant (default: %(default)s)"
    )
    options = parser.parse_args()
    tests = [f"tests/test_{name}.py" for name in TESTS.split()] + list(DIRECTORIES)
    os.chdir(ROOT)
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *tests], plugins=[Mutate(options)]))


OUTPUT = os.dup(1)

if __name__ == "__main__":
    main()
