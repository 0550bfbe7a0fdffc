"""What the command line can do."""

from __future__ import annotations

import sys
from typing import get_args

import click
from rich.console import Console

from .apps import Framework


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
    help="The API's.",
)
@click.option("--serve", is_flag=True, help="Keep issuer and API up, and print curl lines to try.")
def demo(framework: Framework, *, serve: bool) -> None:
    """Start an issuer and a protected API on loopback, send requests, and show what is answered and why."""
    try:
        from .demo import run
    except ModuleNotFoundError as missing:
        raise click.ClickException(
            f"The demo needs {missing.name}. Write: pip install 'jwtauthz[demo]'"
        ) from missing
    # A pipe has no width of its own, and 80 columns are too few for a table of four.
    console = Console(width=None if sys.stdout.isatty() else 160)
    sys.exit(run(framework, console, serve=serve))
