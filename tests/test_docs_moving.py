"""docs/moving and docs/parity.md: what a row calls ours is ours, and no option of theirs is left out."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import jwt
import pytest

import jwtauthz
import jwtauthz.compat
import jwtauthz.credentials
import jwtauthz.events
import jwtauthz.fastapi
import jwtauthz.flask
import jwtauthz.starlette
import jwtauthz.telemetry
import jwtauthz.testing
from docs_blocks import DOCS, PAGES
from jwtauthz.keys.timing import Timing

ROOT = Path(__file__).parent.parent
MOVING = [page for page in PAGES if page.startswith("moving/")]
OURS: dict[str, Any] = {
    **vars(jwtauthz.events),
    **{name: getattr(jwtauthz.credentials, name) for name in ("cookie", "form", "header", "query", "subprotocol")},
    **{name: getattr(jwtauthz.telemetry, name) for name in jwtauthz.telemetry.__all__},
    **{name: getattr(jwtauthz.testing, name) for name in jwtauthz.testing.__all__},
    **{name: getattr(jwtauthz.starlette, name) for name in jwtauthz.starlette.__all__},
    **{name: getattr(jwtauthz.flask, name) for name in jwtauthz.flask.__all__},
    **{name: getattr(jwtauthz, name) for name in jwtauthz.__all__},
    "jwt_authz": jwtauthz.compat.jwt_authz,
    "Timing": Timing,
    "Login": jwtauthz.fastapi.Login,
    "authz": jwtauthz.fastapi.JWTAuthz(jwtauthz.ResourceServer("https://issuer.test/", "https://api.example.com")),
}

# Every option that these packages have.
EXPRESS = {
    "express-jwt-authz": "expectedScopes checkAllScopes customScopeKey customUserKey failWithError",
    "express-jwt": "secret algorithms credentialsRequired getToken requestProperty isRevoked onExpired .unless "
    "audience issuer subject jwtid nonce clockTolerance clockTimestamp maxAge ignoreExpiration ignoreNotBefore "
    "complete allowInvalidAsymmetricKeyTypes",
    "jwks-rsa": "jwksUri cache cacheMaxEntries cacheMaxAge cacheMaxAgeFallback onStaleCacheFallback rateLimit "
    "jwksRequestsPerMinute timeout requestHeaders requestAgent fetcher getKeysInterceptor proxy strictSsl "
    "handleSigningKeyError expressJwtSecret",
    "express-oauth2-jwt-bearer": "issuerBaseURL issuer jwksUri secret publicKey audience tokenSigningAlg mcd "
    "authRequired clockTolerance maxTokenAge strict validators agent timeoutDuration cooldownDuration cacheMaxAge "
    "cache dpop mtls getCertificate requiredScopes scopeIncludesAny claimEquals claimIncludes claimCheck req.auth "
    "ISSUER_BASE_URL",
}


def rows(page: str) -> list[tuple[str, list[str]]]:
    """The rows of all tables of a page: the heading above, and the cells."""
    found = []
    heading = ""
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        if line.startswith("| ") and not line.startswith("| ---"):
            found.append((heading, [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("| "))]))
    return [row for row in found if row[1][0] not in {"option", "argument", "there", "elsewhere"}]


def ours(cell: str) -> int:
    """How many things of ours a cell names; fails for a name, a parameter or a member that we do not have."""
    count = 0
    for code in re.findall(r"`([^`]+)`", cell):
        try:
            tree = ast.parse(code, mode="eval").body
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (called := found(node.func)) is not None:
                count += 1
                for keyword in node.keywords:
                    assert keyword.arg in inspect.signature(called).parameters, f"{code}: no {keyword.arg}="
            elif isinstance(node, ast.Name | ast.Attribute) and found(node) is not None:
                count += 1
    return count


def found(node: ast.expr) -> Any:
    """What of ours an expression names, or None."""
    if isinstance(node, ast.Name):
        return OURS.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OURS:
        assert hasattr(OURS[node.value.id], node.attr), ast.unparse(node)
        return getattr(OURS[node.value.id], node.attr)
    return None


@pytest.mark.parametrize(
    ("page", "there", "here"), [pytest.param(page, c[0], c[1], id=c[0]) for page in MOVING for _, c in rows(page)]
)
def test_a_row_names_something_of_ours_or_says_why_there_is_nothing(page, there, here):
    named = ours(here)
    if here.startswith("None"):
        assert len(here.split()) > 5, "a reason"
    else:
        assert named, "nothing of ours"


@pytest.mark.parametrize(("package", "options"), EXPRESS.items())
def test_no_option_of_express_is_left_out(package, options):
    told = [
        re.findall(r"`([^`]+)`", cells[0])[0] for heading, cells in rows("moving/express.md") if heading == package
    ]
    assert told == options.split()


@pytest.mark.parametrize(("heading", "theirs"), [("PyJWKClient", jwt.PyJWKClient), ("jwt.decode", jwt.decode)])
def test_no_argument_of_pyjwt_is_left_out(heading, theirs):
    told = {cells[0].strip("`") for under, cells in rows("moving/pyjwkclient.md") if under == heading}
    kinds = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    real = {name for name, each in inspect.signature(theirs).parameters.items() if each.kind not in kinds}
    assert real <= told


def test_what_the_page_says_is_refused_is_refused():
    for option in ("fail_with_error", "custom_user_key"):
        with pytest.raises(jwtauthz.ConfigurationError):
            jwtauthz.compat.jwt_authz(["a"], **{option: "x"})
    with pytest.raises(jwtauthz.ConfigurationError):
        jwtauthz.Issuer("https://issuer.test/", algorithms="HS256")
    with pytest.raises(jwtauthz.ConfigurationError):
        jwtauthz.ResourceServer("https://issuer.test/", "https://api.example.com", leeway=301)


# ── what others have ──

PARITY = rows("parity.md")


@pytest.mark.parametrize("cells", [pytest.param(cells, id=cells[0]) for _, cells in PARITY])
def test_a_row_of_what_others_have_names_its_tests(cells):
    _, here, held_by = cells
    ours(here)
    tests = re.findall(r"`([\w/]+\.py)`", held_by)
    for test in tests:
        assert (ROOT / "tests" / test).is_file(), test
    assert tests or here.startswith(("No", "Not")), "a test, or a sentence why not"


def test_the_table_of_what_others_have_is_whole():
    assert len(PARITY) > 60
    assert all(len(cells) == 3 for _, cells in PARITY)


def test_a_route_may_be_for_the_tokens_of_one_issuer():
    from jwtauthz.testing import FakeIssuer

    def is_staff(token, request):
        return token.issuer == staff.url

    with FakeIssuer() as staff, FakeIssuer() as customers:
        server = staff.server(issuer=[staff.as_issuer(), customers.as_issuer()])
        assert server.authorize(f"Bearer {staff.token()}", is_staff).issuer == staff.url
        with pytest.raises(jwtauthz.AccessDenied, match="refused_by_check"):
            server.authorize(f"Bearer {customers.token()}", is_staff)


@pytest.mark.parametrize(("scope", "status"), [("read:users", 403), ("read:users admin", 200)])
def test_in_flask_a_rule_may_stand_on_a_function_that_a_view_calls(issuer, scope, status):
    from flask import Flask

    app = Flask("below")
    jwtauthz.flask.JWTAuthz(issuer.server()).init_app(app)

    @jwtauthz.flask.requires("admin")
    def remove():
        return "gone"

    @app.get("/")
    @jwtauthz.flask.requires("read:users")
    def view():
        return remove()

    assert app.test_client().get("/", headers=issuer.headers(scope=scope)).status_code == status
