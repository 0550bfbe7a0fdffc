"""How results are shown and kept: Markdown tables, JSON, and the machine they were measured on."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
ASSETS = ROOT / "docs" / "assets"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table that also reads well as plain text: columns are padded, numbers stand at the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    numbers = [all(cell.lstrip("<> ")[:1].isdigit() for cell in column) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, numbers, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if to_right else "-" * width
        for width, to_right in zip(widths, numbers, strict=True)
    ]
    return "\n".join([line(head), line(rule), *map(line, cells)])


def number(value: float) -> str:
    return f"{value:,.0f}"


def rate(value: float) -> str:
    """Three figures are enough."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def share(part: float, whole: float) -> str:
    """A percentage; `whole` may be an expectation, which `part` then may exceed a little."""
    percent = min(100.0, 100 * part / whole)
    return "0 %" if part == 0 else "<0.1 %" if percent < 0.1 else f"{percent:.1f} %"


def seconds(value: float | None) -> str:
    if value is None:
        return "–"
    if value < 0.0005:
        return "0 s"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s" if value >= 0.95 else f"{value * 1000:.0f} ms"


def machine() -> str:
    """The machine in general terms: no name, no path."""
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def write_json(name: str, about: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write what the run was about, and its rows, one on each line."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f'{{"about": {json.dumps(about, ensure_ascii=False)}, "rows": [\n{lines}\n]}}\n')
    return path


def write_into(path: Path, mark: str, text: str) -> bool:
    """Replace what stands between `<!-- mark -->` and `<!-- /mark -->` in a document. False if there is none."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    document = path.read_text() if path.exists() else ""
    if begin not in document or end not in document:
        return False
    before, _, rest = document.partition(begin)
    after = rest.partition(end)[2]
    path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
    return True
