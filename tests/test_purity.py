"""The decision is pure: what it imports knows no time, no network, no threads and no framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jwtauthz

PACKAGE = Path(jwtauthz.__file__).parent
PURE = (
    "challenge",
    "checks",
    "claims",
    "credentials",
    "cross_site",
    "errors",
    "events",
    "policy",
    "request",
    "route_rules",
    "route_tree",
    "sources",
    "token",
    "verified_token",
)
# Of the standard library: what computes. `logging` is there for a check of the application that raises.
HARMLESS = {
    "__future__",
    "annotationlib",
    "binascii",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "inspect",
    "json",
    "logging",
    "math",
    "re",
    "string",
    "unicodedata",
    "sys",
    "types",
    "typing",
    "urllib.parse",
    "uuid",  # for the class alone
}


def runtime_imports(path: Path) -> tuple[set[str], set[str]]:
    """The modules that a file imports when it runs, wherever in it: absolute ones, and those beside it."""
    absolute, beside = set(), set()
    tree = ast.parse(path.read_text())
    for_types_only = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in for_types_only:
            continue
        if isinstance(node, ast.Import):
            absolute |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            beside |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            absolute.add(node.module)
    return absolute, beside


def with_all_it_imports(name: str) -> set[str]:
    """The names of a module of this library and of all that it imports of it, directly or not."""
    reached, waiting = set(), [name]
    while waiting:
        each = waiting.pop()
        if each not in reached:
            reached.add(each)
            waiting += runtime_imports(PACKAGE / f"{each}.py")[1]
    return reached


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_and_all_that_it_imports_only_compute(name):
    for each in with_all_it_imports(name):
        absolute, _ = runtime_imports(PACKAGE / f"{each}.py")
        strangers = {module for module in absolute if not {module, module.partition(".")[0]} & HARMLESS}
        assert not strangers, f"{each}.py imports {strangers}"


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_reaches_for_nothing_by_name(name):
    for each in with_all_it_imports(name):
        tree = ast.parse((PACKAGE / f"{each}.py").read_text())
        calls = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"__import__", "import_module", "open", "eval", "exec", "print", "input"}


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has imported after this code, beside those it begins with."""
    script = f"import sys; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


STRANGERS = {
    "anyio",
    "asgiref",
    "click",
    "fastapi",
    "flask",
    "httpcore",
    "httpx",
    "httpx2",
    "msgspec",
    "opentelemetry",
    "prometheus_client",
    "pydantic",
    "pytest",
    "redis",
    "rich",
    "starlette",
    "trio",
    "uvicorn",
    "werkzeug",
}
DOORS = {
    f"jwtauthz.{name}"
    for name in ("cli", "compat", "fastapi", "flask", "mcp", "starlette", "telemetry", "testing")
}
# What is imported by those who use it: all of it together would take half as long again as everything else.
WHEN_USED = {
    "jwtauthz.claim_requirements",
    "jwtauthz.claims_model",
    "jwtauthz.events",
    "jwtauthz.explain",
    "jwtauthz.explainer",
    "jwtauthz.issuer_pool",
    "jwtauthz.issuer_resolver",
    "jwtauthz.keys.fleet",
    "jwtauthz.keys.redis_client",
    "jwtauthz.keys.shared_source",
    "jwtauthz.keys.store",
    "jwtauthz.missing_scope",
    "jwtauthz.near_misses",
    "jwtauthz.organization_requirement",
    "jwtauthz.presets",
    "jwtauthz.replay",
    "jwtauthz.route_table",
    "jwtauthz.step_up_requirement",
    "jwtauthz.typed_claims",
    "asyncio",
    "pathlib",
    "ssl",
    "uuid",
}


@pytest.mark.parametrize(
    ("code", "used"),
    [
        pytest.param("import jwtauthz", set(), id="import jwtauthz loads no framework and no HTTP client"),
        pytest.param(
            "import jwtauthz, threading\n"
            "server = jwtauthz.ResourceServer('https://issuer.test/', 'https://api.example.com')\n"
            "assert not server.ready and threading.active_count() == 1",
            set(),
            id="a server loads none before its first fetch, and starts no thread",
        ),
        pytest.param(
            "import jwtauthz\n"
            "server = jwtauthz.ResourceServer('https://issuer.test/', 'https://api.example.com')\n"
            "for header in (None, 'Basic x', 'Bearer', 'Bearer abc', 'Bearer a.b.c', 'Bearer e30.e30.e30'):\n"
            "    try: server.authorize(header, 'read')\n"
            "    except jwtauthz.AccessDenied: pass\n",
            {"jwtauthz.near_misses"},
            id="what is refused without a key loads none",
        ),
    ],
)
def test_importing(code, used):
    loaded = modules_after(code)
    assert {name.partition(".")[0] for name in loaded} & STRANGERS == set()
    assert loaded & DOORS == set()
    assert loaded & WHEN_USED == used
    assert "jwtauthz.resource_server" in loaded


def test_what_is_imported_when_it_is_used_is_there():
    assert all(
        (PACKAGE.parent / f"{name.replace('.', '/')}.py").exists()
        for name in WHEN_USED
        if name.startswith("jwtauthz.")
    )
