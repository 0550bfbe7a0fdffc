# ruff: noqa: N999  # no statement imports it: the name is that of the command
"""What `import jwtauthz` takes over `import jwt`, in fresh interpreters.

    python -m benchmarks import [--quick] [--write]

Each import has an interpreter of its own, in turns; files are warm, and so is bytecode, whatever the environment
says of writing it: an installed package is compiled once, not at every start. What is told is the median of the
ratios of neighbours.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from . import _lines, _report
from ._lines import Line
from ._timing import cores, pin

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS, QUICK_ROUNDS = 60, 8
STATEMENTS = {
    "import jwtauthz": "import jwtauthz",
    "from jwtauthz import ResourceServer": "from jwtauthz import ResourceServer",
    "import jwtauthz.starlette": "import jwtauthz.starlette",
    "import jwtauthz.flask": "import jwtauthz.flask",
    "import jwtauthz.fastapi": "import jwtauthz.fastapi",
}
BASE = "import jwt"
TARGETS = {"import jwtauthz": 1.2}

_CLOCKED = "import time; begin = time.perf_counter(); {}; print(time.perf_counter() - begin)"


def seconds(statement: str, bytecode: str) -> float | None:
    """How long a statement takes in a fresh interpreter with its bytecode in a folder; None if it fails."""
    run = subprocess.run(
        [sys.executable, "-c", _CLOCKED.format(statement)],
        cwd=_report.ROOT,
        env={**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return float(run.stdout) if run.returncode == 0 else None


def measure(rounds: int, statements: Sequence[str] = tuple(STATEMENTS)) -> dict[str, list[tuple[float, float]]]:
    """Pairs of (seconds of the statement, seconds of `import jwt` around it)."""
    taken: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as bytecode:
        runnable = [name for name in statements if seconds(STATEMENTS[name], bytecode) is not None]
        if seconds(BASE, bytecode) is None:
            raise RuntimeError("PyJWT can't be imported")
        for _ in range(rounds):
            before = seconds(BASE, bytecode) or 0.0
            for name in runnable:
                spent = seconds(STATEMENTS[name], bytecode) or 0.0
                after = seconds(BASE, bytecode) or 0.0
                taken.setdefault(name, []).append((spent, (before + after) / 2))
                before = after
    return taken


def lines(taken: dict[str, list[tuple[float, float]]]) -> list[Line]:
    made = []
    for name, pairs in taken.items():
        ratios = [spent / base for spent, base in pairs]
        spent, base = (1000 * statistics.median(column) for column in zip(*pairs, strict=True))
        made.append(
            Line(
                f"`{name}`, over `{BASE}`",
                statistics.median(ratios),
                target=TARGETS.get(name),
                detail=f"{spent:.1f} of {base:.1f} ms",
            )
        )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = _lines.parser("import", __doc__).parse_args(arguments)
    pin(cores()[:1])
    told = lines(measure(QUICK_ROUNDS if options.quick else ROUNDS))
    where = _lines.environment("PyJWT", "starlette", "fastapi", "flask")
    _lines.tell("import", _lines.table(told), where, told, write=options.write)
    return 0
