"""What the benchmarks of speed have in common: a line with its target, the table, the options, what is kept."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

from . import _report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Line:
    """One result: what was done, the figure, and what it should be. A line without a target only reports."""

    work: str
    value: float
    unit: str = "×"  # of value and target; "×" is a ratio within one run
    target: float | None = None
    bound: Literal["at most", "at least"] = "at most"
    detail: str = ""

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value <= self.target if self.bound == "at most" else self.value >= self.target

    @property
    def verdict(self) -> str:
        return {True: "met", False: "missed", None: "–"}[self.met]

    @property
    def wanted(self) -> str:
        return "–" if self.target is None else f"{self.bound} {figure(self.target, self.unit)}"


def figure(value: float, unit: str) -> str:
    """Three figures, and the unit as one writes it."""
    if unit == "calls":
        return f"{value:,.0f}"
    text = _report.rate(value) if value >= 0.995 else f"{value:.2f}" if value >= 0.095 else f"{value:.3f}"
    return f"{text}{unit}" if unit == "×" else f"{text} {unit}"


def table(lines: Iterable[Line], work: str = "work") -> str:
    rows = [(line.work, figure(line.value, line.unit), line.wanted, line.verdict, line.detail) for line in lines]
    return _report.table([work, "result", "target", "", "measured"], rows)


def versions(*packages: str) -> str:
    """Names and versions of what took part, as far as it is installed."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """The options that they all have."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=about)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--quick", action="store_true", help="a tenth of the time, and more noise")
    made.add_argument("--write", action="store_true", help="keep the results in the repository")
    return made


def environment(*packages: str) -> str:
    """Where it was measured: the machine in general terms, and what took part."""
    return f"{_report.machine()}; {versions('jwtauthz', 'cryptography', *packages)}."


def tell(
    name: str,
    text: str,
    where: str,
    rows: Sequence[Mapping[str, Any] | Line],
    *,
    write: bool,
    plots: Iterable[Any] = (),
    option: str = "",
) -> None:
    """Print a result, and keep it if that is asked for: JSON, and the section of benchmarks/README.md."""
    print(f"\n{text}\n\n{where}")
    if not write:
        return
    kept = [{**asdict(row), "met": row.met} if isinstance(row, Line) else row for row in rows]
    paths = [_report.write_json(name, {"machine": where}, kept), *plots]
    readme = _report.ROOT / "benchmarks" / "README.md"
    if _report.write_into(readme, name, f"`python -m benchmarks {name}{option} --write`; {where}\n\n{text}"):
        paths.append(readme)
    for path in paths:
        print(f"wrote {path.relative_to(_report.ROOT)}")
