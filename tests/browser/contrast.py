"""Whether what stands on a page can be read: its colours, and how far they are apart."""

from __future__ import annotations

# Each piece of text on the page that can be seen: its colour, size, weight, and the first opaque ground under it.
TEXTS = """
(() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const paper = (of) => getComputedStyle(of).backgroundColor;
    let ground = element;
    while (ground.parentElement && paper(ground) === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
    found.push({text, ink: style.color, paper: paper(ground), size: parseFloat(style.fontSize)});
  }
  return found;
})()
"""


def luminance(colour: str) -> float:
    """The relative luminance of a colour as CSS computes it (WCAG 2.2)."""
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if (c := n / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for n in numbers]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink: str, paper: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""
    dark, light = sorted((luminance(ink), luminance(paper)))
    return (light + 0.05) / (dark + 0.05)
