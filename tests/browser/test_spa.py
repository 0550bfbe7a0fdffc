"""The page of examples/spa, in a real browser, with a real issuer: what a person sees who clicks through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from spa.spa_app import create_app

from jwtauthz import ResourceServer
from jwtauthz.cli.apps.fastapi_app import serve

from .contrast import TEXTS, contrast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .chromium import Tab

READY = "document.documentElement.dataset.ready"


@pytest.fixture(scope="module")
def url(real_issuer) -> Iterator[str]:
    with ResourceServer(real_issuer.url, real_issuer.audience) as server:
        asks = f"resource={real_issuer.audience}"
        app = create_app(server, client_id=real_issuer.browser_client_id, asks=asks)
        with serve(app) as url:
            yield f"{url}/"


@pytest.fixture
def page(tab, url) -> Tab:
    """The page, and nobody is signed in."""
    tab.forget()
    tab.resize(900, 1000)
    return open_page(tab, url)


def open_page(tab: Tab, url: str, scheme: str = "light") -> Tab:
    tab.open(url, scheme=scheme)
    tab.wait_until(READY)
    return tab


def sign_in(page: Tab, account: str) -> None:
    page.click("#sign-in")
    page.click(f"[value={account}]")
    allow(page)


def allow(page: Tab) -> None:
    """Allow, at the issuer, what the page asks for; and be back."""
    page.click("[name=allow]")
    page.wait_until(READY)


def ask(page: Tab, operation: str) -> str:
    page.click(f"#{operation} .line button")
    return answer(page, operation)


def answer(page: Tab, operation: str) -> str:
    return page.text(f"#{operation} .answer:not(:empty)")


def test_who_is_not_signed_in_is_told_so(page):
    told = ask(page, "list")
    assert told.startswith("401")
    assert "had no token" in told


def test_what_the_token_grants_is_200(page):
    sign_in(page, "ada")
    assert page.text("#who") == "Signed in as ada"
    assert page.text("#granted") == "The token grants read:users"
    assert ask(page, "me").startswith("200")
    assert ask(page, "list").startswith("200")


@pytest.mark.parametrize(
    ("operation", "needed", "scope"),
    [
        pytest.param("add", "write:users", "write:users", id="one scope"),
        pytest.param("report", "read:reports or admin", "read:reports", id="one of two: the one that is nearer"),
    ],
)
def test_what_it_does_not_grant_is_an_explained_403_and_200_after_another_login(page, operation, needed, scope):
    sign_in(page, "ada")
    told = ask(page, operation)
    assert told.startswith("403")
    assert f"Needed: {needed}. Granted: read:users." in told
    facts = [line for line in told.split("\n") if line]
    assert facts[facts.index("error") : -1] == [
        *("error", "insufficient_scope"),
        *("required", needed),
        *("scope", scope),
    ]
    page.click(f"#{operation} .answer button")
    assert scope in page.text("form")  # the issuer says what is asked for
    allow(page)
    assert answer(page, operation).startswith("200")  # the page has asked again by itself
    assert ask(page, "list").startswith("200")  # and has lost nothing


def test_who_may_not_is_told_that_asking_again_does_not_help(page):
    sign_in(page, "grace")
    ask(page, "add")
    page.click("#add .answer button")
    allow(page)
    told = answer(page, "add")
    assert told.startswith("403")
    assert "this account may not" in told
    assert not page.evaluate("!!document.querySelector('#add .answer button')")


def test_another_person_can_sign_in(page):
    sign_in(page, "ada")
    page.click("#sign-out")
    page.click("[value=grace]")
    allow(page)
    assert page.text("#who") == "Signed in as grace"


def test_who_cancels_is_told_so_and_is_not_signed_in(page):
    page.click("#sign-in")
    page.click("[name=cancel]")
    page.wait_until(READY)
    assert "access_denied" in page.text("#trouble")
    assert page.text("#who") == "Nobody is signed in"


@pytest.mark.parametrize(
    "returned", ["code=stolen&state=guessed", "code=stolen&state=guessed&iss=https://evil.example.com"]
)
def test_an_answer_that_was_not_asked_for_is_not_taken(tab, url, returned):
    page = open_page(tab, f"{url}?{returned}")
    assert "not asked" in page.text("#trouble")
    assert not any("/token" in request for request in page.requests)


def test_an_answer_of_another_issuer_is_not_taken(page, url):
    page.evaluate("sessionStorage.setItem('login-under-way', JSON.stringify({verifier: 'v', state: 's'}))")
    open_page(page, f"{url}?code=c&state=s&iss=https://evil.example.com")
    assert "another issuer" in page.text("#trouble")


def test_no_token_and_no_code_stays_where_others_find_it(page, url):
    sign_in(page, "ada")
    ask(page, "list")
    assert page.evaluate("location.href") == url
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert page.evaluate(kept) == '[{},{},""]'


def test_the_browser_complains_of_nothing_and_asks_nobody_else(page, url, real_issuer):
    sign_in(page, "ada")
    ask(page, "list")
    assert page.complaints == []
    assert {"/".join(each.split("/")[:3]) for each in page.requests} == {url.rstrip("/"), real_issuer.url}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read(page, url, scheme, keep_picture):
    open_page(page, url, scheme)
    sign_in(page, "ada")
    for operation in ("me", "list", "add", "report"):
        ask(page, operation)
    assert all(contrast(text["ink"], text["paper"]) >= 4.5 for text in page.evaluate(TEXTS))
    keep_picture(f"spa-{scheme}.png")


@pytest.mark.parametrize("width", [320, 480])
def test_it_fits_on_a_small_screen(page, width, keep_picture):
    page.resize(width, 800)
    sign_in(page, "ada")
    ask(page, "add")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    keep_picture(f"spa-{width}.png")
