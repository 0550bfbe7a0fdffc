"""An explanation as a web page: one file, no scripts, nothing from elsewhere, for light and dark screens."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .explain import Explanation, Step

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #5b6474; --paper: #f6f7f9; --card: #fff;
  --line: #dfe3ea; --bad: #b3261e; --good: #1b7a3d; --cure: #0b57a4; --mark: #fff3cd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --soft: #a3acbd; --paper: #14171d; --card: #1d222b;
  --line: #333b48; --bad: #ff8a80; --good: #7bd88f; --cure: #8ab8ff; --mark: #4a3f12; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2, p, dd { overflow-wrap: anywhere; }
details > summary { cursor: pointer; color: var(--soft); padding: .55rem 1rem; }
.mark-word { font-size: .85rem; color: var(--soft); font-weight: 400; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
section.verdict, ul.checks, table, .needs { background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; }
section.verdict { padding: 1.25rem 1.5rem; border-left: .4rem solid var(--bad); }
section.verdict.allowed { border-left-color: var(--good); }
.status { color: var(--soft); margin: 0 0 .25rem; }
.cure { color: var(--cure); font-weight: 600; margin: .75rem 0 0; }
.cure::before { content: "What to do: "; }
code, td, .value { font: .9rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
ul.checks { list-style: none; margin: 0; padding: 0; }
ul.checks li { display: grid; grid-template-columns: 7rem 1fr; gap: .25rem 1rem; padding: .55rem 1rem;
  border-top: 1px solid var(--line); }
ul.checks li:first-child { border-top: 0; }
.passed .mark { color: var(--good); } .failed .mark { color: var(--bad); font-weight: 700; }
.reached .mark, .value, .note { color: var(--soft); }
.failed .detail { grid-column: 2; }
.value { grid-column: 2; }
.needs { margin: 0; padding: .75rem 1rem; display: grid; grid-template-columns: 7rem 1fr; gap: .25rem 1rem; }
.needs dt { color: var(--soft); } .needs dd { margin: 0; }
table { width: 100%; border-collapse: collapse; border-spacing: 0; overflow: hidden; }
th, td { text-align: left; vertical-align: top; padding: .45rem 1rem; border-top: 1px solid var(--line); }
tr:first-child th, tr:first-child td { border-top: 0; }
th { font-weight: 600; width: 30%; overflow-wrap: anywhere; } tr.marked { background: var(--mark); }
@media (max-width: 40rem) { ul.checks li, .needs { grid-template-columns: 1fr; }
  .value, .failed .detail { grid-column: 1; } }
"""

_NOTE: Final = ' <span class="mark-word">(look here)</span>'
_MARKS: Final = {"passed": "✓ passed", "failed": "✗ failed", "not reached": "· not reached"}


def page(explanation: Explanation) -> str:
    """The page. Everything that comes from a token is escaped."""
    if explanation.finding is None:
        title = "The request is let in"
    elif explanation.allowed:
        title = f"Let in, though the shadow policy says no: {explanation.finding.code}"
    else:
        title = f"Denied: {explanation.status} {explanation.finding.code}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="robots" content="noindex">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        _verdict(explanation, title),
        _needs(explanation),
        _checks(explanation),
        _claims(explanation),
        (
            '<p class="note">This page is shown because the resource server runs with <code>debug</code>. '
            "Without it the client gets the status, the challenge and one fixed sentence.</p>"
        ),
        "</main></body></html>",
    ]
    return "".join(parts)


def _prose(text: str) -> str:
    """A sentence with what stands between backticks as code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))


def _verdict(explanation: Explanation, title: str) -> str:
    kind = "verdict allowed" if explanation.allowed else "verdict"
    why = "" if explanation.finding is None else f"<p>{_prose(explanation.finding.detail)}</p>"
    more = (
        ""
        if explanation.finding is None
        else f'<p class="note">More in <code>{escape(explanation.finding.anchor)}</code></p>'
    )
    cures = "".join(f'<p class="cure">{_prose(hint)}</p>' for hint in explanation.hints)
    head = f'<p class="status">jwtauthz</p><h1>{escape(title)}</h1>'
    return f'<section class="{kind}">{head}{why}{cures}{more}</section>'


def _checks(explanation: Explanation) -> str:
    """The checks that did not pass, then the others, which most people need not read."""
    other = [step for step in explanation.steps if step.verdict != "passed"]
    passed = [step for step in explanation.steps if step.verdict == "passed"]
    parts = ['<h2 id="checks">The checks, in their order</h2>']
    if other:
        parts += ['<ul class="checks" aria-labelledby="checks">', *map(_check, other), "</ul>"]
    if passed:
        parts += [
            f"<details{'' if other else ' open'}><summary>{len(passed)} checks passed</summary>",
            '<ul class="checks">',
            *map(_check, passed),
            "</ul></details>",
        ]
    return "".join(parts)


def _check(step: Step) -> str:
    kind = step.verdict.rpartition(" ")[2]
    lines = [
        f'<li class="{kind}"><span class="mark">{_MARKS[step.verdict]}</span><span>{escape(step.title)}</span>'
    ]
    if step.finding is not None:
        lines.append(f'<span class="detail">{_prose(step.finding.detail)}</span>')
    if step.expected is not None:
        lines.append(f'<span class="value">expected {escape(step.expected)}</span>')
    if step.found is not None:
        trust = "" if step.verified else " (unverified)"
        lines.append(f'<span class="value">found {escape(step.found)}{trust}</span>')
    lines.append("</li>")
    return "".join(lines)


def _needs(explanation: Explanation) -> str:
    if not explanation.reads:
        return ""
    rows = [
        ("reads", ", ".join(explanation.reads)),
        ("granted", " ".join(explanation.granted) or "nothing"),
        ("missing", " ".join(explanation.missing) or "nothing"),
    ]
    cells = "".join(f"<dt>{name}</dt><dd><code>{escape(value)}</code></dd>" for name, value in rows)
    return f'<h2>What the operation needs</h2><dl class="needs">{cells}</dl>'


def _claims(explanation: Explanation) -> str:
    if not explanation.claims:
        return ""
    marked = {step.finding.claim for step in explanation.steps if step.finding is not None} | set(
        explanation.reads
    )
    trust = "verified" if explanation.verified else "unverified: anybody could have written them"
    rows = "".join(
        f"<tr{' class=marked' if _is_marked(name, value, marked, explanation) else ''}>"
        f'<th scope="row"><code>{escape(name)}</code></th><td>{escape(value)}</td></tr>'
        for name, value in explanation.claims.items()
    )
    return f"<h2>The claims of the token ({trust})</h2><table>{rows}</table>"


def _is_marked(name: str, value: str, marked: set[str | None], explanation: Explanation) -> bool:
    """Whether a claim is worth a look: a finding or the policy is about it, or what is missing stands in it."""
    return name in marked or any(f'"{scope}"' in value for scope in explanation.missing)
