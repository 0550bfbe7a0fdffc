"""docs/rules.md: every block runs, its file is read, its commands are there, and it decides as the text says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jwtauthz import RouteTable, any_of
from jwtauthz.cli.commands import cli
from jwtauthz.route_file import _WORDS

TEXT = (Path(__file__).parent.parent / "docs" / "rules.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
[TOML] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def names(tmp_path, monkeypatch):
    """Run a block, and give the names that it makes."""
    (tmp_path / "rules.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)

    def run(block: str) -> dict[str, Any]:
        made: dict[str, Any] = {"__name__": "docs"}
        exec(compile(block, "docs/rules.md", "exec"), made)
        return made

    return run


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_runs_and_is_short(number, names):
    names(BLOCKS[number])
    assert BLOCKS[number].count("\n") <= 20


def test_the_first_table_decides_as_it_reads(names):
    table = names(BLOCKS[0])["table"]
    asked = [
        ("HEAD", "/users"),
        ("PUT", "/users/7"),
        ("GET", "/orgs/a/b"),
        ("websocket", "/feed"),
        ("GET", "/health"),
    ]
    assert [table.find(*each).rule for each in asked] == list(table.rules)
    assert table.find("GET", "/feed").rule is None


def test_the_file_says_what_the_table_above_it_would(names):
    table = names(BLOCKS[-1])["table"]
    assert [rule.text for rule in table.rules] == re.findall(r'^"(.*?)" = ', TOML, re.MULTILINE)
    assert table.find("GET", "/reports").needed == any_of("read:reports", "admin", claim="permissions")
    assert table.find("GET", "/health").needed is None


def test_each_word_of_the_file_stands_in_the_list():
    listed = TEXT.partition("| value | is |")[2].partition("\n\n")[0]
    assert [word for word in _WORDS if f"{{ {word} = " not in listed] == []


KEYS = [
    key for cell in re.findall(r"^\| (`\"/.*?) \|", TEXT, re.MULTILINE) for key in re.findall(r'`"(.*?)"`', cell)
]


@pytest.mark.parametrize("key", KEYS)
def test_each_way_to_write_a_rule_is_one(key):
    assert RouteTable({key: "read"}).rules[0].text == key


def test_the_commands_have_these_options():
    said = CliRunner().invoke(cli, ["routes", "--help"]).output
    for line in re.findall(r"^\$ jwtauthz routes .*$", TEXT, re.MULTILINE):
        assert set(re.findall(r"--\w+", line)) <= set(re.findall(r"--\w+", said))


def test_the_routes_of_the_last_app_are_listed_as_they_stand_there(tmp_path, monkeypatch):
    [text] = re.findall(r'```python title="api.py"\n(.*?)```', TEXT, re.DOTALL)
    (tmp_path / "api.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "api", raising=False)
    said = CliRunner().invoke(cli, ["routes", "api:app"], catch_exceptions=False).output
    [shown] = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert [line.rstrip() for line in said.splitlines()] == shown.splitlines()
    monkeypatch.delitem(sys.modules, "api")
