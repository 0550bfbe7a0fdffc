"""Every page of the documentation: its Python runs, its links lead somewhere, it stands in the navigation.

The pages that promise more than that have a test of their own beside this one.
"""

from __future__ import annotations

import re

import pytest

from docs_blocks import DOCS, PAGES, Block, blocks, furnish, run

ALL = [block for page in PAGES for block in blocks(page)]
# A block in any other language would be Python in disguise, or a typing error that turns a test off.
LANGUAGES = {"promql", "python", "console", "text", "json", "http", "toml", "yaml", "ini", "js", "html", "mermaid"}
# Pages on which nothing is to be run, and why.
WITHOUT_PYTHON = {
    "benchmarks.md": "pictures",
    "changes.md": "a list",
    "decision.md": "a picture",
    "parity.md": "a table, whose names test_docs_moving looks up",
    "threat-model.md": "a table, whose tests test_docs_site looks up",
    **dict.fromkeys((page for page in PAGES if page.startswith("reference/")), "made of docstrings"),
}


def python_blocks(page: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python"]


@pytest.fixture
def place(issuer, tmp_path, monkeypatch):
    """A folder with the files that blocks name."""
    furnish(tmp_path, issuer)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JWTAUTHZ_ISSUER", issuer.url)
    monkeypatch.setenv("JWTAUTHZ_AUDIENCE", issuer.audience)
    monkeypatch.setenv("FLEET_KEY", "i" * 40)
    return tmp_path


@pytest.mark.parametrize(
    "block", [block for block in ALL if block.language == "python" and not block.title], ids=str
)
def test_a_block_of_python_runs(block, issuer, place):
    run(block.text, issuer.url, str(block))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_python_that_runs_or_a_reason_for_none(page):
    assert bool(python_blocks(page)) != (page in WITHOUT_PYTHON)


@pytest.mark.parametrize("page", PAGES)
def test_no_block_of_a_page_escapes(page):
    found = blocks(page)
    assert len(found) * 2 == len(re.findall(r"^ *(?:```|~~~)", (DOCS / page).read_text(), re.MULTILINE))
    assert {block.language for block in found} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    path = DOCS / page
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", path.read_text()):
        aim = (path.parent / target).resolve() if target else path
        assert aim.is_relative_to(DOCS), f"{target} is no page of the site"
        assert aim.is_file(), target
        if anchor and aim.suffix == ".md" and "reference" not in aim.parts:
            titles = re.findall(r"^#+ (.+)$", aim.read_text(), re.MULTILINE)
            assert anchor in {slug(title) for title in titles}, anchor


def slug(title: str) -> str:
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip())


def test_each_page_stands_in_the_navigation_once():
    listed = re.findall(r"^ +- (?:.+: )?(\S+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == PAGES
