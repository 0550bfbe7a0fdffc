"""Plots for the documentation: SVG with a transparent ground for any theme, PNG on white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _report
from ._fleet import MINUTE
from ._policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ._fleet import Scenario
    from .keyset_fleet import Result as FleetResult
    from .keyset_load import Result

# Colours that stand out on white and on near-black alike, and that differ in lightness, not in hue alone.
INK = "#7d8590"
COLOURS = dict(
    zip(
        [policy.name for policy in POLICIES],
        ("#2f81f7", "#db6d28", "#a371f7", "#d29922", "#bf4b8a", "#768390"),
        strict=True,
    )
)
MARKS = dict(zip(COLOURS, ("o", "s", "D", "^", "v", "X"), strict=True))


def keyset_load(results: Sequence[Result], scenarios: Sequence[Scenario]) -> list[Path]:
    """Draw the overview and the courses of an outage and a flood, for the largest fleet."""
    processes = max(row.processes for row in results)
    rows = [row for row in results if row.processes == processes]
    return [
        *_save(_overview(rows, scenarios, processes), "keyset-load"),
        *_save(_courses(rows, scenarios, processes), "keyset-outage"),
    ]


def keyset_fleet(results: Sequence[FleetResult]) -> list[Path]:
    """Draw what issuer and store see of a fleet, by its size."""
    figure, axes = _pyplot().subplots(1, 3, figsize=(10, 4.2), layout="constrained")
    shown = (
        ("quiet", "fetches_mean", "A quiet day: fetches a minute"),
        ("flood", "fetches_mean", "Unknown key IDs: fetches a minute"),
        ("flood", "commands_mean", "Unknown key IDs: commands a second"),
    )
    modes = list(dict.fromkeys(row.mode for row in results))
    styles = dict(zip(modes, (("#768390", "X"), ("#d29922", "^"), ("#2f81f7", "o")), strict=True))
    for plot, (scenario, figure_of, title) in zip(axes, shown, strict=True):
        for mode, (colour, mark) in styles.items():
            rows = [row for row in results if (row.scenario, row.mode) == (scenario, mode)]
            values = [getattr(row, figure_of) for row in rows]
            if any(values):
                sizes = [row.processes for row in rows]
                plot.plot(sizes, values, color=colour, marker=mark, label=mode, linewidth=2, zorder=3)
        plot.set(xscale="log", yscale="log", title=title, xlabel="processes")
        plot.tick_params(which="minor", length=0)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return _save(figure, "keyset-fleet")


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update(
        {
            "axes.edgecolor": INK,
            "axes.grid": True,
            "axes.labelcolor": INK,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlecolor": INK,
            "axes.titlesize": 11,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "font.size": 10,
            "grid.alpha": 0.35,
            "grid.color": INK,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.labelcolor": INK,
            "svg.hashsalt": "jwtauthz",
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )
    return plt


def _overview(rows: Sequence[Result], scenarios: Sequence[Scenario], processes: int) -> Any:
    figure, (cost, harm) = _pyplot().subplots(1, 2, figsize=(10, 5.6), sharey=True, layout="constrained")
    names = [scenario.name for scenario in scenarios]
    for index, (policy, colour) in enumerate(COLOURS.items()):
        mine = {row.scenario: row for row in rows if row.policy == policy}
        height = [place + (index - 2.5) * 0.13 for place in range(len(names))]
        style = {"color": colour, "marker": MARKS[policy], "s": 34, "zorder": 3}
        cost.scatter([mine[name].fetches_mean / processes for name in names], height, label=policy, **style)
        harm.scatter([_turned_away(mine[name]) for name in names], height, **style)
    cost.set(xscale="log", xlabel="fetches a minute per process", title="What the issuer sees")
    cost.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    harm.set(xlim=(-3, 103), xlabel="% of good tokens answered 401 or 5xx", title="What good tokens go through")
    cost.set_yticks(range(len(names)), names)
    cost.set_ylim(len(names) - 0.5, -0.5)
    for axes in (cost, harm):
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        for edge in range(len(names) - 1):
            axes.axhline(edge + 0.5, color=INK, alpha=0.25, linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=6, columnspacing=1.2, handletextpad=0.3)
    return figure


def _turned_away(row: Result) -> float:
    return min(100.0, 100 * (row.wrong_401 + row.no_answer_5xx) / row.good)


def _courses(rows: Sequence[Result], scenarios: Sequence[Scenario], processes: int) -> Any:
    figure, (outage, flood) = _pyplot().subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    windows = {scenario.name: [moment / MINUTE for moment in scenario.window] for scenario in scenarios}
    for policy, colour in COLOURS.items():
        mine = {row.scenario: row for row in rows if row.policy == policy}
        style = {
            "color": colour,
            "drawstyle": "steps-post",
            "linewidth": 2.4 if policy == "jwtauthz" else 1.5,
            "linestyle": {"unlimited": ":", "jwks-rsa, limit on": "--", "jwks-rsa": "-."}.get(policy, "-"),
            "zorder": 4 if policy == "jwtauthz" else 3,
        }
        begin = windows["outage"][0]
        minutes = range(int(begin) - 4, int(begin) + 44)
        away = mine["outage"].turned_away
        shares = [min(100.0, 100 * away[minute] / (60 * processes)) for minute in minutes]
        outage.plot([minute - begin for minute in minutes], shares, **style, label=policy)
        begin = windows["flood"][0]
        minutes = range(int(begin) - 4, int(begin) + 16)
        fetches = mine["flood"].fetches
        rates = [max(0.05, fetches[minute] / processes) for minute in minutes]
        flood.plot([minute - begin for minute in minutes], rates, **style)
    outage.set(
        title="Half an hour without the issuer: good tokens answered 401 or 5xx",
        xlabel="minutes since it began",
        ylabel="%",
        ylim=(-3, 108),
    )
    flood.set(
        title="Ten minutes of unknown key IDs: fetches per process",
        xlabel="minutes since they began",
        ylabel="a minute",
        yscale="log",
        xticks=range(-5, 20, 5),
    )
    flood.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    for axes, name in ((outage, "outage"), (flood, "flood")):
        axes.axvspan(0, windows[name][1] - windows[name][0], color=INK, alpha=0.12, linewidth=0)
    figure.legend(loc="outside lower center", ncols=6, columnspacing=1.2)
    return figure


def _save(figure: Any, name: str) -> list[Path]:
    _report.ASSETS.mkdir(parents=True, exist_ok=True)
    svg, png = _report.ASSETS / f"{name}.svg", _report.ASSETS / f"{name}.png"
    figure.savefig(svg, metadata={"Date": None, "Creator": None})
    figure.savefig(png, dpi=120, facecolor="white", metadata={"Software": None})
    return [svg, png]
