"""How much memory a process holds after a million different verified tokens, over what it held after 10,000.

    python -m benchmarks memory [--quick] [--write]

Resident memory of a process of its own, each token made, let in and forgotten. They are signed with ES256, for
making them takes longer than checking them; what is remembered of a token does not depend on the algorithm.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _lines, _report, _workload
from ._lines import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST, LAST, QUICK_LAST = 10_000, 1_000_000, 40_000
STEPS = 20


def resident() -> int:
    """Bytes of memory that the process has now; where the system does not tell, the most it has had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(last: int, first: int = FIRST, tell: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """Memory after `first` tokens, after `last`, and at some moments between."""
    marks = sorted({first, *(first + (last - first) * step // STEPS for step in range(1, STEPS + 1))})
    rows = []
    with _workload.an_issuer("ES256") as issuer:
        server = _workload.a_server(issuer)
        done = 0
        for mark in marks:
            for number in range(done, mark):
                header = f"Bearer {issuer.token(expires_in=86_400, **_workload.claims(number))}"
                server.authorize(header, *_workload.NEEDS, claim=_workload.CLAIM)
            done = mark
            gc.collect()
            rows.append({"tokens": done, "resident": resident(), "blocks": sys.getallocatedblocks()})
            tell(f"{done:,} tokens: {rows[-1]['resident'] / 2**20:.1f} MiB")
    return rows


def lines(rows: Sequence[dict[str, Any]]) -> list[Line]:
    first, last = rows[0], rows[-1]
    sizes = [row["resident"] / 2**20 for row in rows]
    return [
        Line(
            f"memory after {last['tokens']:,} tokens, over after {first['tokens']:,}",
            last["resident"] / first["resident"],
            target=1.05,
            detail=f"{sizes[-1]:.1f} of {sizes[0]:.1f} MiB; at most {max(sizes):.1f}",
        ),
        Line("the same in memory blocks of Python", last["blocks"] / first["blocks"]),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _lines.parser("memory", __doc__)
    parser.add_argument("--tokens", type=int, help=f"how many in all ({LAST:,})")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)  # what a child prints
    options = parser.parse_args(arguments)
    last = options.tokens or (QUICK_LAST if options.quick else LAST)
    if options.raw:
        print(json.dumps(measure(last, tell=lambda text: print(text, file=sys.stderr, flush=True))))
        return 0
    command = [sys.executable, "-m", "benchmarks", "memory", "--raw", "--tokens", str(last)]
    child = subprocess.run(command, cwd=_report.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    rows = json.loads(child.stdout.splitlines()[-1])
    told = lines(rows)
    _lines.tell("memory", _lines.table(told), _lines.environment(), rows, write=options.write)
    return 0
