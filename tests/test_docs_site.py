"""The site as a whole: it loads nothing from elsewhere, its pictures and tables are true, no name is missing."""

from __future__ import annotations

import importlib.util
import re

import pytest

import jwtauthz
from docs_blocks import DOCS
from jwtauthz import Code
from jwtauthz.errors import ANSWERS

ROOT = DOCS.parent

_spec = importlib.util.spec_from_file_location("offline", DOCS / "offline.py")
assert _spec is not None
offline = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(offline)


@pytest.mark.parametrize(
    ("html", "loaded"),
    [
        pytest.param('<script src="https://cdn.test/x.js">', ["https://cdn.test/x.js"], id="a script"),
        pytest.param(
            "<script async src=//cdn.test/x.js>", ["//cdn.test/x.js"], id="a script without quotes or scheme"
        ),
        pytest.param(
            '<link rel="stylesheet" href="https://cdn.test/x.css">', ["https://cdn.test/x.css"], id="a style"
        ),
        pytest.param('<img alt="" src="http://cdn.test/x.png">', ["http://cdn.test/x.png"], id="a picture"),
        pytest.param('<img src="assets/x.svg"><script src="../x.js">', [], id="what the site has itself"),
        pytest.param('<a href="https://example.com">', [], id="a link to follow"),
        pytest.param('<link rel="canonical" href="https://example.com">', [], id="the address of the page"),
    ],
)
def test_what_a_page_loads_from_elsewhere_is_seen(html, loaded):
    assert offline.loaded_from_elsewhere(html) == loaded


def test_what_it_sees_is_a_warning(caplog):
    class Page:
        class file:  # noqa: N801
            src_uri = "index.md"

    assert offline.on_post_page("<img src=https://cdn.test/x>", page=Page) == "<img src=https://cdn.test/x>"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_site_is_built_strictly_and_by_ci():
    assert "mkdocs build --strict" in (ROOT / "Makefile").read_text()
    assert "make site" in (ROOT / ".ci" / "run").read_text()
    assert "font: false" in (ROOT / "mkdocs.yml").read_text()


# ── the decision ──

PICTURE = (DOCS / "assets" / "decision.svg").read_text()
SHOWN = [
    (int(status), code)
    for status, codes in re.findall(r'data-status="(\d+)">.*?class="codes">(.*?)</text>', PICTURE, re.DOTALL)
    for code in codes.split(" · ")
    if code != "…"
]


@pytest.mark.parametrize(("status", "code"), SHOWN)
def test_the_picture_of_the_decision_gives_each_finding_its_status(status, code):
    assert ANSWERS[Code(code)].status == status


def test_the_picture_of_the_decision_has_each_status():
    assert {status for status, _ in SHOWN} == {answer.status for answer in ANSWERS.values()}


# ── the threat model ──

THREATS = re.findall(r"^\| (.+?) \| .+ \| (.+?) \|$", (DOCS / "threat-model.md").read_text(), re.MULTILINE)[2:]


@pytest.mark.parametrize(("attack", "held_by"), [pytest.param(*row, id=row[0]) for row in THREATS])
def test_each_defence_is_held_by_tests_that_are_there(attack, held_by):
    named = re.findall(r"`([\w/]+\.py)`", held_by)
    assert named
    for test in named:
        assert re.search(r"\bdef test_|\bTestCase\b", (ROOT / "tests" / test).read_text()), test


def test_the_security_policy_points_at_the_threat_model_and_at_nobody_in_particular():
    policy = (ROOT / "SECURITY.md").read_text()
    assert "(docs/threat-model.md)" in policy
    assert "@" not in policy
    assert "://" not in policy


# ── the reference ──

REFERENCE = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))


@pytest.mark.parametrize("name", jwtauthz.__all__)
def test_each_public_name_stands_in_the_reference(name):
    assert re.search(rf"^::: jwtauthz\.{name}$", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize(
    "module", ["flask", "starlette", "fastapi", "compat", "credentials", "telemetry", "testing", "events"]
)
def test_each_public_module_stands_in_the_reference(module):
    assert re.search(rf"^::: jwtauthz\.{module}$", REFERENCE, re.MULTILINE)
