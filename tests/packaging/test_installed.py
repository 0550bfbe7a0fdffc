"""Installed by pip, with one extra or none, far from this clone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from authorizing import case

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
AUTH0 = "https://tenant.eu.auth0.com/"


def readme(title: str) -> str:
    """A block of the README, by its heading, that asks an issuer which the line before it has started."""
    block = re.search(rf"^### {title}.*?```python\n(.*?)```", README, re.DOTALL | re.MULTILINE)[1]
    assert AUTH0 in block
    return (
        "from jwtauthz.testing import FakeIssuer\nissuer = FakeIssuer().__enter__()\n"
        + block.replace(f'"{AUTH0}"', "issuer.url")
        + "\ngood = {'Authorization': 'Bearer ' + issuer.token(scope='read:users', permissions=['read:users'])}\n"
    )


# Asks an ASGI application with what every installation has.
ASK_ASGI = """
import asyncio, httpx

async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
        answer = await client.get("/users", headers=good)
        print(answer.status_code, answer.json()["sub"], (await client.get("/users")).status_code)

asyncio.run(ask())
"""
ASK_WSGI = """
with app.test_client() as client:
    answer = client.get("/users", headers=good)
    print(answer.status_code, answer.json["sub"], client.get("/users").status_code)
"""


class TestWithoutAnyExtra:
    def test_it_is_imported_without_a_warning_and_imports_no_stranger(self, environment):
        strangers = "{'anyio', 'click', 'fastapi', 'flask', 'httpx', 'pytest', 'redis', 'rich', 'starlette'}"
        code = f"import sys, jwtauthz; print(jwtauthz.__file__, {strangers} & sys.modules.keys())"
        where, _, found = environment().run("-W", "error", "-c", code).strip().partition(" ")
        assert str(ROOT) not in where
        assert found == "set()"

    def test_plain_python_of_the_readme(self, environment):
        said = environment().run("-W", "error", "-c", readme("Plain Python"))
        assert '401 Bearer realm="api", error="invalid_token"' in said

    @pytest.mark.parametrize("module", ["compat", "testing", "claims", "errors", "events", "explain"])
    def test_what_needs_none(self, environment, module):
        environment().run("-W", "error", "-c", f"import jwtauthz.{module}")

    @pytest.mark.parametrize("door", ["flask", "starlette", "fastapi"])
    def test_a_door_says_what_to_install(self, environment, door):
        told = environment().run("-c", f"import jwtauthz.{door}", status=1).strip().split("\n")[-1]
        assert told == (
            f"ModuleNotFoundError: jwtauthz.{door} needs {door}, which is not installed. "
            f"Write: pip install 'jwtauthz[{door}]'"
        )

    def test_whoever_asks_for_the_name_of_what_is_missing_is_told(self, environment):
        code = "try:\n  import jwtauthz.flask\nexcept ModuleNotFoundError as missing:\n  print(missing.name)"
        assert environment().run("-c", code).strip() == "flask"

    def test_the_command_line_says_what_to_install(self, environment):
        told = environment().script("jwtauthz", "--version", status=1)
        assert told.strip() == "The command line needs click. Write: pip install 'jwtauthz[cli]'"


@pytest.mark.parametrize(
    ("extra", "title", "ask"),
    [
        case("Flask", "flask", "Flask", ASK_WSGI),
        case("Starlette", "starlette", "Starlette", ASK_ASGI),
        case("FastAPI", "fastapi", "FastAPI", ASK_ASGI),
    ],
)
def test_a_door_with_its_extra_alone_runs_its_block_of_the_readme(environment, extra, title, ask):
    assert environment(extra).run("-W", "error", "-c", readme(title) + ask).strip() == "200 user-1 401"


def test_fastapi_with_the_extra_of_starlette_says_what_to_install(environment):
    told = environment("starlette").run("-c", "import jwtauthz.fastapi", status=1).strip().split("\n")[-1]
    assert told.endswith("needs fastapi, which is not installed. Write: pip install 'jwtauthz[fastapi]'")


class TestTheCommandLine:
    def test_says_its_version(self, environment):
        assert environment("cli").script("jwtauthz", "--version").startswith("jwtauthz, version ")

    def test_says_what_the_demo_needs(self, environment):
        told = environment("cli").script("jwtauthz", "demo", status=1)
        assert told == "Error: This command needs fastapi. Write: pip install 'jwtauthz[demo]'\n"

    @pytest.mark.parametrize("framework", ["fastapi", "flask", "starlette"])
    def test_demo(self, environment, framework):
        told = environment("demo").script("jwtauthz", "demo", "--framework", framework)
        assert "insufficient_scope" in told


def test_pytest_finds_the_plugin_by_itself(environment):
    there = environment("", "pytest")
    (there.folder / "test_api.py").write_text(
        "from jwtauthz import Issuer, ResourceServer\n"
        "def test_reading_users(jwtauthz_issuer, jwtauthz_token):\n"
        "    issuer = Issuer(jwtauthz_issuer.url, key_set=jwtauthz_issuer.key_set)\n"
        "    server = ResourceServer(issuer, jwtauthz_issuer.audience)\n"
        "    token = server.authorize('Bearer ' + jwtauthz_token(scope='read:users'), 'read:users')\n"
        "    assert token.subject\n"
    )
    assert "1 passed" in there.run("-m", "pytest", "-q", "-W", "error", "test_api.py")
