"""The plots of speed: one bar per library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._plots import INK, _pyplot, _save

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OURS, THEIRS, AGAIN = "#2f81f7", "#8b949e", "#db6d28"


def peers(rows: Sequence[dict[str, Any]]) -> list[Path]:
    """An RS256 token, new and again, over bare verify."""
    shown = sorted(
        (row for row in rows if row["algorithm"] == "RS256" and "new_token" in row),
        key=lambda row: float(row["new_token"]["ratio"]),
    )
    if not shown:
        return []
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(shown) + 1.1), layout="constrained")
    names = [f"{row['library']} {row['version']}" for row in shown]
    ratios = [row["new_token"]["ratio"] for row in shown]
    colours = [OURS if name.startswith("jwtauthz") else THEIRS for name in names]
    bars = axes.barh(range(len(shown)), ratios, color=colours, height=0.66, zorder=3)
    again = [row["same_token"]["ratio"] for row in shown]
    axes.scatter(again, range(len(shown)), color=AGAIN, marker="D", s=24, zorder=5, label="the same token again")
    axes.legend(loc="upper right")
    axes.bar_label(bars, [f"{ratio:.1f}×" for ratio in ratios], padding=8, color=INK)
    axes.set_yticks(range(len(shown)), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.axvline(1, color=INK, linewidth=1, linestyle="--", zorder=4)
    axes.set(
        xlabel="time for a new RS256 token (bar); 1 is the bare check of its signature",
        xlim=(0, max(ratios) * 1.1),
    )
    paths: list[Path] = _save(figure, "speed-peers")
    return paths
