"""The page that a browser gets from a running API with debug=True, in a real browser."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jwtauthz import ResourceServer
from jwtauthz.cli.apps import fastapi_app
from jwtauthz.testing import FakeIssuer

from .contrast import TEXTS, contrast, luminance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .chromium import Tab

AUDIENCE = "https://api.example.com"
SCRIPT = "<script>document.title = 'taken over'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer(audience=AUDIENCE) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def url(issuer) -> Iterator[str]:
    with (
        ResourceServer(issuer.url, AUDIENCE, debug=True) as server,
        fastapi_app.serve(fastapi_app.create_app(server)) as url,
    ):
        yield f"{url}/users"


@pytest.fixture
def open_page(tab, url, issuer):
    """Opens the page with a token of these claims; without a token, if there are none."""

    def open_(scheme: str = "light", **claims: object) -> Tab:
        tab.resize(1000, 1400)
        headers = {"Authorization": f"Bearer {issuer.token(**claims)}"} if claims else {}
        tab.open(url, headers=headers, scheme=scheme)
        return tab

    return open_


@pytest.fixture
def denied(open_page) -> Tab:
    """A token with the permission in the other claim: the most asked question."""
    return open_page(scope="openid profile email", permissions=["read:users"], name="Jane")


def test_the_answer_is_the_denial(denied):
    assert denied.response["status"] == 403
    assert denied.response["mimeType"] == "text/html"
    headers = {name.lower(): value for name, value in denied.response["headers"].items()}
    assert headers["cache-control"] == "no-store"
    assert 'error="insufficient_scope"' in headers["www-authenticate"]


def test_the_title_and_the_verdict_say_the_same(denied):
    assert denied.evaluate("document.title") == "Denied: 403 scope_in_other_claim"
    assert denied.evaluate("document.querySelector('h1').textContent") == denied.evaluate("document.title")


def test_cause_and_cure_are_what_one_sees_first(denied):
    cure = "[...document.querySelectorAll('p')].find(p => p.textContent.includes('write claim=\"permissions\"'))"
    assert denied.evaluate(f"{cure}.checkVisibility()")
    assert denied.evaluate(f"{cure}.getBoundingClientRect().bottom") < 400
    assert "stands in permissions" in denied.evaluate("document.querySelector('section').innerText")


def unfold(tab) -> None:
    """Open what the page keeps folded: the checks that passed."""
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")


def test_what_failed_is_listed_first_and_what_passed_is_folded_away(denied):
    folded = denied.evaluate("document.querySelector('details > summary').innerText")
    assert folded.endswith("checks passed")
    unfold(denied)
    items = denied.evaluate("[...document.querySelectorAll('ul.checks > li')].map(li => li.innerText)")
    assert len(items) > 15
    assert items[0].startswith("✗ failed\nwhat the operation needs")
    assert items[1].startswith("✓ passed\ncredentials")
    assert all(item.startswith("✓ passed") for item in items[1:])


def test_the_claims_that_matter_are_marked(denied):
    marked = denied.evaluate("[...document.querySelectorAll('tr.marked th')].map(th => th.innerText)")
    assert marked == ["scope", "permissions"]
    plain = "getComputedStyle(document.querySelector('tr:not(.marked)')).backgroundColor"
    assert denied.evaluate("getComputedStyle(document.querySelector('tr.marked')).backgroundColor") != (
        denied.evaluate(plain)
    )


def test_nothing_is_fetched_but_the_page(denied, url):
    assert [request for request in denied.requests if not request.endswith("/favicon.ico")] == [url]
    assert all(request.startswith(url.removesuffix("/users")) for request in denied.requests)


def test_the_console_is_silent(denied):
    assert denied.complaints == []
    assert denied.evaluate("document.scripts.length") == 0


def test_no_token_at_all(open_page):
    tab = open_page()
    assert tab.response["status"] == 401
    assert tab.evaluate("document.title") == "Denied: 401 no_credentials"
    assert "Send Authorization: Bearer" in tab.evaluate("document.body.innerText")
    assert tab.evaluate("document.querySelectorAll('table').length") == 0


def test_markup_in_claims_stays_text(open_page):
    tab = open_page(**{SCRIPT: SCRIPT, "scope": SCRIPT.replace(" ", "")})
    assert tab.evaluate("document.title").startswith("Denied: 403")
    assert tab.evaluate("document.querySelectorAll('script, img').length") == 0
    assert SCRIPT in tab.evaluate("document.body.innerText")
    assert tab.complaints == []


class TestAccessibility:
    def test_the_language_is_said(self, denied):
        assert denied.evaluate("document.documentElement.lang") == "en"

    def test_headings_are_in_order(self, denied):
        levels = denied.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(later - earlier <= 1 for earlier, later in pairwise(levels))

    def test_a_screen_reader_hears_a_list_a_table_and_landmarks(self, denied):
        unfold(denied)
        roles = [role for role, _ in denied.accessible]
        assert roles.count("main") == 1
        assert roles.count("listitem") > 15
        assert {"heading", "list", "table", "rowheader", "cell"} <= set(roles)
        assert ("list", "The checks, in their order") in denied.accessible

    def test_the_end_of_a_check_is_a_word_and_no_colour_alone(self, denied):
        unfold(denied)
        marks = denied.evaluate("[...document.querySelectorAll('ul.checks .mark')].map(mark => mark.innerText)")
        assert {mark.partition(" ")[2] for mark in marks} <= {"passed", "failed", "not reached"}

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_contrast(self, open_page, scheme):
        """At least 4.5 to 1 for all text (WCAG 2.2, 1.4.3)."""
        tab = open_page(scheme, scope="openid", permissions=["read:users"], audience="https://x.example")
        texts = tab.evaluate(TEXTS)
        assert len(texts) > 40
        weak = [(text, contrast(text["ink"], text["paper"])) for text in texts]
        assert [text for text in weak if text[1] < 4.5] == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_it_follows_the_colours_that_the_reader_likes(self, open_page, scheme):
        tab = open_page(scheme, scope="openid")
        paper = luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert (paper > 0.5) is (scheme == "light")

    @pytest.mark.parametrize(
        "width",
        [
            320,
            *(480, 1000, 1600),
        ],
    )
    def test_nothing_runs_out_of_a_screen(self, denied, width):
        """320 pixels is what 400 % zoom leaves of a screen (WCAG 2.2, 1.4.10)."""
        denied.resize(width, 900)
        assert denied.evaluate("document.documentElement.scrollWidth") <= width

    def test_the_smallest_letters_can_be_read(self, denied):
        assert min(text["size"] for text in denied.evaluate(TEXTS)) >= 13


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures(open_page, scheme, tmp_path):
    """For people who want to look: PICTURES=somewhere keeps them."""
    tab = open_page(scheme, scope="openid profile email", permissions=["read:users"], name="Jane Doe")
    path = Path(os.environ.get("PICTURES", tmp_path)) / f"denied-{scheme}.png"
    assert tab.picture(path).stat().st_size > 20_000
