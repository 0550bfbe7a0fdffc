"""Authorize of Swagger UI, with the very application of docs/swagger-ui.md, a real browser and a real issuer."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jwtauthz import ResourceServer
from jwtauthz.cli.apps.fastapi_app import serve
from jwtauthz.fastapi import JWTAuthz
from real_issuer.process import HERE
from test_docs_swagger_ui import BLOCKS, TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .chromium import Tab

CDN = "https://cdn.jsdelivr.net"


def from_package(url: str) -> tuple[bytes, str]:
    """What the CDN would answer: the file of the npm package."""
    name = Path(url).name
    return (HERE / "node_modules" / "swagger-ui-dist" / name).read_bytes(), mimetypes.guess_type(name)[0] or ""


@pytest.fixture(scope="module")
def app(real_issuer):
    """The first block of the page, with our issuer in place of the one it names."""
    metadata = real_issuer.metadata()
    block = BLOCKS[0]
    for told, ours in (
        (f"{TENANT}authorize", metadata["authorization_endpoint"]),
        (f"{TENANT}oauth/token", metadata["token_endpoint"]),
        (TENANT, real_issuer.url),
        ("the-client-id-of-swagger-ui", real_issuer.browser_client_id),
        ('"audience": AUDIENCE', '"resource": AUDIENCE'),
    ):
        assert told in block
        block = block.replace(told, ours)
    names: dict = {"__name__": "docs"}
    exec(compile(block, "swagger-ui.md", "exec"), names)
    yield names["app"]
    names["authz"].server.close()


@pytest.fixture(scope="module")
def url(app) -> Iterator[str]:
    with serve(app) as url:
        yield f"{url}/docs"


@pytest.fixture
def page(tab, url) -> Tab:
    """Swagger UI, and nobody is signed in."""
    tab.stand_in_for(CDN, from_package)
    tab.forget()
    tab.resize(1000, 1100)
    tab.open(url)
    tab.wait_for(".opblock")
    return tab


def log_in(page: Tab, account: str = "ada") -> None:
    """In the dialog that is open: go to the issuer, and be back."""
    page.click(".modal-ux .auth.authorize")
    window = page.popup()
    window.click(f"[value={account}]")
    window.click("[name=allow]")
    page.wait_until("document.querySelector('.modal-ux').innerText.includes('Logout')")
    page.click(".modal-ux .btn-done")


def execute(page: Tab, path: str) -> str:
    """The answer to an operation, as the page shows it."""
    operation = f"#operations-default-{path}_{path}_get"
    page.click(f"{operation} .opblock-summary-control")
    page.click(f"{operation} .try-out__btn")
    page.click(f"{operation} .execute")
    return page.text(f"{operation} .live-responses-table")


def scopes(page: Tab) -> dict[str, bool]:
    """The scopes that can be ticked in the dialog that is open, and whether they are."""
    page.wait_for(".modal-ux .scopes input")
    found: dict[str, bool] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.modal-ux .scopes input')]"
        ".map((box) => [box.dataset.value, box.checked]))"
    )
    return found


def test_authorize_has_one_dialog_with_all_scopes_and_those_of_the_app_are_ticked(page, keep_picture):
    page.click(".btn.authorize")
    assert scopes(page) == {"read:users": True, "read:reports": False, "admin": False, "openid": True}
    assert page.evaluate("document.querySelectorAll('.modal-ux .auth-container').length") == 1
    assert "authorizationCode with PKCE" in page.text(".modal-ux")
    keep_picture("swagger-ui-authorize.png")


@pytest.mark.parametrize(
    ("path", "asks"), [("users", {"read:users": True}), ("report", {"read:reports": False, "admin": False})]
)
def test_the_lock_of_an_operation_shows_its_scopes(page, path, asks):
    page.click(f"#operations-default-{path}_{path}_get .authorization__btn")
    assert scopes(page) == asks


def test_the_403_of_an_operation_names_its_scopes(page):
    page.click("#operations-default-report_report_get .opblock-summary-control")
    told = page.text('#operations-default-report_report_get tr[data-code="403"]')
    assert "what this operation needs: (read:reports or admin)" in told


def test_without_a_login_an_operation_is_401(page):
    assert "401" in execute(page, "users")


def test_who_logs_in_gets_200_and_what_was_not_ticked_403(page, keep_picture):
    page.click(".btn.authorize")
    log_in(page)
    told = execute(page, "users")
    assert "200" in told
    assert '"sub": "ada"' in told
    keep_picture("swagger-ui-200.png")
    told = execute(page, "report")
    assert "403" in told
    assert "insufficient_scope" in told
    keep_picture("swagger-ui-403.png")


def test_another_scope_is_another_login(page):
    page.click(".btn.authorize")
    page.click('.modal-ux .scopes input[data-value="read:reports"]')
    log_in(page)
    assert "200" in execute(page, "report")


def test_nothing_but_swagger_ui_itself_comes_from_elsewhere(page, url, real_issuer):
    page.click(".btn.authorize")
    log_in(page)
    places = {"/".join(each.split("/")[:3]) for each in page.requests if not each.startswith("data:")}
    icon = "https://fastapi.tiangolo.com"  # that of the tab
    assert places - {icon} == {url.removesuffix("/docs"), real_issuer.url, CDN}


def test_without_a_login_in_openapi_there_is_a_dialog_for_each_grant_and_no_scope_of_the_api(tab, real_issuer):
    """What docs/swagger-ui.md says that Swagger UI makes of `openIdConnect`."""
    from fastapi import FastAPI

    app = FastAPI()
    with ResourceServer(real_issuer.url, real_issuer.audience) as server:
        authz = JWTAuthz(server)

        @app.get("/users", dependencies=[authz.requires("read:users")])
        async def users() -> None: ...

        with serve(app) as url:
            tab.stand_in_for(CDN, from_package)
            tab.open(f"{url}/docs")
            # What the dialog shows is settled when it opens: before the metadata have come, that is nothing.
            tab.wait_until(
                "document.querySelector('.modal-ux .scopes')"
                " || document.querySelector('.modal-ux .close-modal, .btn.authorize').click()"
            )
            assert set(scopes(tab)) == {"openid", "offline_access"}
            grants = len(real_issuer.metadata()["grant_types_supported"])
            assert tab.evaluate("document.querySelectorAll('.modal-ux .auth-container').length") == grants > 1
