"""What other libraries take for a new token, over the bare check of its signature.

    python -m benchmarks peers [--only NAME] [--quick] [--write]

Each in a process of its own on one core, in turns with `public_key.verify` of the cryptography package: a ratio
below 1 is possible for those that bring a signature check of their own. See `_verifiers.py` for what each does.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import _lines, _report, _speed_plots, _workload
from ._timing import Work, compare, cores, pin
from ._verifiers import VERIFIERS, Verifier, check

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS, QUICK_ROUNDS = 120, 12
ALGORITHMS = ("RS256", "ES256", "EdDSA")


def measure(kind: type[Verifier], rounds: int, count: int = _workload.TOKENS) -> list[dict[str, Any]]:
    """One row for each algorithm it knows: a new token, and the same one again."""
    rows = []
    for algorithm in ALGORITHMS:
        if algorithm not in kind.algorithms:
            continue
        with _workload.an_issuer(algorithm) as issuer:
            verifier = kind(issuer)
            tokens = _workload.tokens(issuer, count, iss=verifier.url(), **kind.claims)
            try:
                call = check(verifier, tokens[0], _workload.forged(tokens[0], algorithm))
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the reason why there is no figure
                rows.append({"library": kind.name, "algorithm": algorithm, "error": _reason(error)})
                continue
            base = Work("bare verify", *_workload.bare_verify(issuer.key_set.keys[0], tokens))
            todo = [
                Work("new token", call, [(token,) for token in tokens]),
                Work("same token", call, [(tokens[0],)]),
            ]
            timed = compare(base, todo, rounds=rounds)
        rows.append(
            {
                "library": kind.name,
                "version": kind.version(),
                "algorithm": algorithm,
                **{name.replace(" ", "_"): asdict(figures) for name, figures in timed.items()},
            }
        )
    return rows


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:120]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line for each library, the fastest on a new RS256 token first."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["library"], {})[row["algorithm"]] = row

    def cell(of: dict[str, dict[str, Any]], algorithm: str, which: str, part: str = "ratio") -> str:
        row = of.get(algorithm)
        if row is None or "error" in row:
            return "–"
        value = row[which][part]
        return f"{value:.0f} µs" if part == "us" else _lines.figure(value, "×")

    def rank(of: dict[str, dict[str, Any]]) -> float:
        row = of.get("RS256", {})
        return float(row["new_token"]["ratio"]) if "new_token" in row else float("inf")

    cells = [
        [
            f"{name} {next((row['version'] for row in of.values() if 'version' in row), '')}".strip(),
            cell(of, "RS256", "new_token"),
            cell(of, "RS256", "new_token", "us"),
            cell(of, "RS256", "same_token"),
            cell(of, "ES256", "new_token"),
            cell(of, "EdDSA", "new_token"),
        ]
        for name, of in sorted(found.items(), key=lambda item: rank(item[1]))
    ]
    head = [
        "library",
        "RS256: a new token, over bare verify",
        "time",
        "the same again",
        "ES256: new",
        "EdDSA: new",
    ]
    return _report.table(head, cells)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _lines.parser("peers", __doc__)
    parser.add_argument("--only", action="append", choices=[kind.name for kind in VERIFIERS], help="this library")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)  # what a child prints
    options = parser.parse_args(arguments)
    wanted = [kind for kind in VERIFIERS if options.only is None or kind.name in options.only]
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    if options.raw:
        logging.disable()
        pin(cores()[:1])
        print(json.dumps(measure(wanted[0], rounds)))
        return 0
    rows: list[dict[str, Any]] = []
    for kind in wanted:
        if (reason := kind.missing()) is not None:
            print(f"{kind.name}: skipped: {reason}", flush=True)
            continue
        print(f"{kind.name} {kind.version()} ...", flush=True)
        measured = _in_a_process_of_its_own(kind, quick=options.quick)
        for row in measured:
            if "error" in row:
                print(f"  {row['algorithm']}: skipped: {row['error']}", flush=True)
        rows += measured
    plots = _speed_plots.peers(rows) if options.write else []
    _lines.tell("peers", table(rows), _lines.environment(), rows, write=options.write, plots=plots)
    return 0


def _in_a_process_of_its_own(kind: type[Verifier], *, quick: bool) -> list[dict[str, Any]]:
    """No library is to suffer from what another one imported, patched or left running."""
    command = [sys.executable, "-m", "benchmarks", "peers", "--raw", "--only", kind.name]
    child = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        cwd=_report.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        last = (child.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return [{"library": kind.name, "algorithm": "RS256", "error": last[:120]}]
    rows: list[dict[str, Any]] = json.loads(child.stdout.splitlines()[-1])
    return rows
