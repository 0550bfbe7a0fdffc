"""What the command line can do."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console

from .apps import Framework

if TYPE_CHECKING:
    from collections.abc import Iterator

_ISSUER = click.option("--issuer", required=True, help="The issuer, exactly as `iss` in the token says it.")
_AUDIENCE = click.option("--audience", required=True, multiple=True, help="What the API is called at the issuer.")
_ALGORITHM = click.option(
    "--algorithm", "algorithms", multiple=True, default=("RS256",), show_default=True, help="May be repeated."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON with stable codes.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jwtauthz")
def cli() -> None:
    """Authorize API requests by their access tokens, and say why a request was refused."""


@cli.command()
@click.option(
    "--framework",
    type=click.Choice(get_args(Framework)),
    default="fastapi",
    show_default=True,
    help="What the API is written in.",
)
@click.option("--serve", is_flag=True, help="Keep issuer and API up, and print curl lines to try.")
def demo(framework: Framework, *, serve: bool) -> None:
    """Start an issuer and a protected API on loopback, send requests, and show what is answered and why."""
    with _extra("demo"):
        from . import demo as command

        status = command.run(framework, _console(), serve=serve)
    sys.exit(status)


@cli.command()
@click.argument("token", required=False)
@_ISSUER
@_AUDIENCE
@_ALGORITHM
@click.option("--require", "scopes", multiple=True, help="A scope that the operation needs; may be repeated.")
@click.option("--claim", multiple=True, help="The claim to read it from; repeated, it is a path.")
@click.option("--any", "one_of_them", is_flag=True, help="One of the scopes is enough.")
@click.option("--jwks-url", help="Where the JWKS is, if it is not to be discovered.")
@click.option("--jwks", "jwks_file", type=click.Path(exists=True, dir_okay=False), help="A JWKS or PEM file.")
@click.option("--offline", is_flag=True, help="Fetch nothing: without --jwks the signature is not checked.")
@_JSON
def explain(*, token: str | None, as_json: bool, **options: Any) -> None:
    """Say why a token would be let in, or not: every check, and what to change.

    TOKEN is - for standard input; without it, the variable JWTAUTHZ_TOKEN is read.
    Exit: 0 granted, 1 denied, 2 cannot tell.
    """
    with _extra("cli"):
        from . import explain as command
    authorization = command.read_token(token)
    if options["offline"] and options["jwks_url"]:
        raise click.UsageError("--offline fetches nothing, and --jwks-url asks for a fetch. Leave one out.")
    server = command.make_server(options)
    needed = command.make_requirement(options["scopes"], options["claim"], one_of_them=options["one_of_them"])
    explanation = server.explain(authorization, needed)
    if as_json:
        click.echo(explanation.to_json())
    else:
        command.show(explanation, _console())
    sys.exit(command.exit_code(explanation))


@cli.command()
@_ISSUER
@_AUDIENCE
@_ALGORITHM
@click.option(
    "--redis", envvar="JWTAUTHZ_REDIS_URL", help="The Redis or Valkey of a fleet, to be checked as well."
)
@_JSON
def doctor(
    *, issuer: str, audience: tuple[str, ...], algorithms: tuple[str, ...], redis: str | None, as_json: bool
) -> None:
    """Check an issuer from here: discovery, keys, clock, and how soon a removed key is refused.

    With --redis also what the processes of a fleet share; their integrity key is read from the variable
    JWTAUTHZ_INTEGRITY_KEY.

    Exit: 0 if all is well, 1 if not.
    """
    with _extra("cli"):
        from . import doctor as command
    integrity_key = os.environ.get("JWTAUTHZ_INTEGRITY_KEY") or None
    lines = list(command.examine(issuer, audience, algorithms, redis, integrity_key))
    if as_json:
        click.echo(json.dumps(command.as_json(lines), indent=2))
    else:
        console = _console()
        for line in lines:
            mark, style = ("✓", "green") if line.ok else ("✗", "bold red")
            console.print(f"{mark} {line.what}: {line.found}", style=style, markup=False, highlight=False)
            if not line.ok and line.cure:
                console.print(f"    {line.cure}", style="cyan", markup=False, highlight=False)
    sys.exit(0 if all(line.ok for line in lines) else 1)


@cli.command()
@click.argument("app")
@click.option("--check", is_flag=True, help="Exit with 1 if nothing protects a route, or a rule is for none.")
@click.option("--public", "known_open", multiple=True, help="A path that may be open: /docs, '/static/*'.")
@_JSON
def routes(*, app: str, check: bool, known_open: tuple[str, ...], as_json: bool) -> None:
    """List every route of an app, and what a request needs to come in.

    APP is module:app, or module:create_app() for a factory; of Flask, Starlette or FastAPI.
    """
    with _extra("cli"):
        from . import routes as command
    found, dead = command.examine(command.load(app))
    rows = command.rows_of(found, known_open)
    if as_json:
        click.echo(json.dumps(command.as_json(rows, dead), indent=2))
    else:
        command.show(rows, dead, _console())
    sys.exit(command.exit_code(rows, dead) if check else 0)


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """What a command imports meanwhile comes with this extra, and whoever has not got it is told so."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise click.ClickException(
            f"This command needs {missing.name}. Write: pip install 'jwtauthz[{name}]'"
        ) from missing


def _console() -> Console:
    # A pipe has no width of its own, and 80 columns are too few.
    return Console(width=None if sys.stdout.isatty() else 160)
