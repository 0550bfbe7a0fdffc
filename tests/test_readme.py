"""Every Python block of the README runs, against an issuer on loopback, and does what it is there for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = {
    title.strip(): block
    for title, block in re.findall(
        r"^### (.+?)\n(?:(?!^#).)*?```python\n(.*?)```", README, re.DOTALL | re.MULTILINE
    )
}


def run(block: str, issuer_url: str) -> dict:
    names: dict = {"__name__": "readme"}
    exec(compile(block.replace("https://tenant.eu.auth0.com/", issuer_url), "README.md", "exec"), names)
    return names


def test_no_block_of_the_readme_is_left_out():
    assert README.count("```python") == len(BLOCKS) == 4
    assert README.count("\n") <= 120


def test_flask(issuer):
    app = run(BLOCKS["Flask"], issuer.url)["app"]
    with app.test_client() as client:
        good = client.get("/users", headers={"Authorization": f"Bearer {issuer.token(scope='read:users')}"})
        assert (good.status_code, good.json) == (200, {"sub": "user-1"})
        assert client.get("/users").status_code == 401


@pytest.mark.parametrize(
    ("title", "grant"),
    [("FastAPI", {"permissions": ["read:users"]}), ("Starlette, or any ASGI app", {"scope": "read:users"})],
)
def test_asgi(issuer, title, grant):
    with TestClient(run(BLOCKS[title], issuer.url)["app"]) as client:
        good = client.get("/users", headers={"Authorization": f"Bearer {issuer.token(**grant)}"})
        assert (good.status_code, good.json()) == (200, {"sub": "user-1"})
        assert client.get("/users").status_code == 401


def test_plain_python(issuer, capsys):
    run(BLOCKS["Plain Python"], issuer.url)
    assert capsys.readouterr().out.startswith('401 Bearer realm="api", error="invalid_token"')


def test_the_console_blocks_name_commands_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\$ make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "jwtauthz demo" in README


def test_contributing_names_targets_that_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:\$ |`)make (\w+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert {"test", "lint", "nox", "fuzz", "mutate"} <= named <= targets
