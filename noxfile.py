"""The same tests under other Pythons and other versions of what jwtauthz stands on.

    make nox ARGS="-l"                 what there is
    make nox ARGS="-s lowest"          with the lowest versions that pyproject.toml allows
    make nox ARGS="-s tests-3.13"      with the newest, on Python 3.13

A Python that this machine has not is skipped, and fails where the environment has CI=true.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.sessions = ["tests", "lowest", "wheel"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
EXTRAS = ["demo", "redis", "otel", "prometheus"]
# What asks the frameworks and the libraries below: doors, keys, the command line, real requests.
ABOUT_THEM = [
    *["examples", "tests/doors", "tests/keys", "tests/testing", "tests/test_async_policy.py", "tests/test_cli.py"],
    *["tests/test_compat.py", "tests/test_credentials.py", "tests/test_hooks.py", "tests/test_readme.py"],
    *["tests/test_resource_server.py", "tests/test_verifier.py", "tests/fleet", "tests/telemetry"],
]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, with the newest versions of everything."""
    session.install("--upgrade", "--editable", ".", "--group", "test")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The tests of doors and keys, with the lowest versions that pyproject.toml names; tools are the newest."""
    versions = f"{session.create_tmp()}/lowest.txt"
    extras = [argument for extra in EXTRAS for argument in ("--extra", extra)]
    compile_ = ["uv", "pip", "compile", "--quiet", "--python-version", PYTHONS[0], "pyproject.toml"]
    session.run(*compile_, *extras, "--resolution", "lowest-direct", "--output-file", versions, external=True)
    session.install("--editable", f".[{','.join(EXTRAS)}]", "--group", "test", "--constraint", versions)
    # Old frameworks use what new libraries beside them deprecate: no news about us.
    quiet = ["-W", "default::DeprecationWarning"]
    session.run("pytest", "-q", *quiet, *(session.posargs or ABOUT_THEM))


@nox.session(python=[PYTHONS[0], PYTHONS[-1]])
def wheel(session: nox.Session) -> None:
    """The wheel and the sdist: what is in them, and that they work in clean environments."""
    session.install("--editable", ".", "--group", "test")
    session.run("pytest", "-q", "tests/packaging", *session.posargs)
