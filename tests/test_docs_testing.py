"""docs/testing.md: its files are written as a newcomer would write them, and pytest runs them."""

from __future__ import annotations

import os
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import jwtauthz

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "testing.md").read_text()
SECTIONS = {
    title: dict(re.findall(r"```(?:python|toml) title=\"(\S+)\"\n(.*?)```", rest, re.DOTALL))
    for title, rest in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
}
FILES = {title: files for title, files in SECTIONS.items() if files}
# What a section builds on.
BESIDE = {"An app that finds its issuer itself": {"app.py": FILES["FastAPI"]["app.py"]}}


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Runs pytest on files; `options` are those of its command line."""

    ours = str(Path(jwtauthz.__file__).parent.parent)  # the copy that is tested here, installed or not
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [ours, os.environ.get("PYTHONPATH")])))

    def run_files(files: dict[str, str], *options: str) -> pytest.RunResult:
        for name, content in files.items():
            (pytester.path / name).write_text(content)
        installed = any(each.name == "jwtauthz" for each in entry_points(group="pytest11"))
        plugin = () if installed else ("-p", "jwtauthz.testing.pytest_plugin")
        return pytester.runpytest_subprocess(*plugin, "-W", "error", *options)

    return run_files


def test_no_block_is_left_out():
    assert sum(map(len, FILES.values())) == TEXT.count("```python") + TEXT.count("```toml")


@pytest.mark.parametrize("title", FILES)
def test_its_files_pass(run, title):
    files = {**BESIDE.get(title, {}), **FILES[title]}
    tests = sum(len(re.findall(r"^\s*def test_", content, re.MULTILINE)) for content in files.values())
    outcome = run(files).parseoutcomes()
    assert set(outcome) <= {"passed", "warnings"}, outcome
    assert outcome["passed"] >= tests > 0


@pytest.mark.parametrize("title", ["Flask", "Starlette", "FastAPI"])
def test_they_would_fail_for_an_app_that_asks_for_nothing(run, title):
    """A test that passes for any app shows nothing."""
    files = dict(FILES[title])
    opened = re.sub(r'"read:users"(, claim="permissions")?', "authenticated()", files["app.py"])
    files["app.py"] = opened.replace("import ResourceServer", "import authenticated, ResourceServer")
    outcome = run(files).parseoutcomes()
    assert outcome["failed"] == 1, outcome


def test_the_table_of_fixtures_is_that_of_the_plugin(run):
    from jwtauthz.testing import pytest_plugin

    told = dict(re.findall(r"^\| `(jwtauthz_\w+)` \| the (\w+) \|", TEXT, re.MULTILINE))
    assert set(told) == {name for name in vars(pytest_plugin) if name.startswith("jwtauthz_")}
    shown = run({"test_nothing.py": ""}, "--fixtures", "-v").stdout.str()
    for name, scope in told.items():
        session = f"{name} [session scope]" in shown
        assert session == (scope == "session"), name


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (DOCS / target).exists(), target
