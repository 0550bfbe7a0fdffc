"""`jwtauthz explain`: why would this token be let in, or not?"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from jwtauthz import ConfigurationError, Issuer, KeySet, KeySetUnavailable, ResourceServer
from jwtauthz.policy import any_of, authenticated, requirement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from rich.console import Console

    from jwtauthz.explain import Explanation
    from jwtauthz.keys.jwk import Found
    from jwtauthz.policy import Requirement

GRANTED, DENIED, CANNOT_TELL = 0, 1, 2
TOKEN_VARIABLE = "JWTAUTHZ_TOKEN"  # noqa: S105  # the name of a variable
_COLOURS = {"✓": "green", "✗": "bold red", "·": "dim"}


def read_token(argument: str | None) -> str:
    """The token from where it was put: the argument, standard input (`-`), or the environment."""
    if argument == "-":
        # Whatever a shell has written; what is no token is for the explanation to say.
        text = sys.stdin.buffer.read().decode("utf-8-sig", "replace")
        if not text.strip():
            raise click.UsageError("There is no token. Standard input is empty.")
    elif argument is not None:
        text = argument
    else:
        text = os.environ.get(TOKEN_VARIABLE, "")
        if not text:
            raise click.UsageError(
                f"There is no token. Pipe it in (jwtauthz explain - < token.txt), or set {TOKEN_VARIABLE}; "
                "as an argument it would stay in the history of the shell."
            )
    text = text.strip()
    return text if text.lower().startswith("bearer ") else f"Bearer {text}"


class _NoKeys:
    """The key set of `--offline`: it has none, so whatever depends on a signature can't be told."""

    ready = False

    def find(self, *_: object, **__: object) -> NoReturn:
        raise KeySetUnavailable(
            "Nothing is fetched offline, so the signature can't be checked. Give --jwks a file."
        )

    def recheck(self, found: Found) -> None: ...

    def warm_up(self, *_: object) -> None: ...

    async def awarm_up(self, *_: object) -> None: ...

    def close(self) -> None: ...


def make_server(options: Mapping[str, Any]) -> ResourceServer:
    """The resource server that the command's options describe."""
    try:
        key_set = KeySet.from_file(options["jwks_file"]) if options["jwks_file"] else None
        trusted = Issuer(
            options["issuer"],
            key_set=_NoKeys() if options["offline"] and key_set is None else key_set,
            jwks_url=options["jwks_url"],
            algorithms=options["algorithms"],
        )
        return ResourceServer(trusted, list(options["audience"]))
    except (ConfigurationError, OSError) as error:
        raise click.UsageError(str(error)) from error


def make_requirement(scopes: tuple[str, ...], claim: tuple[str, ...], *, one_of_them: bool) -> Requirement:
    """What `--require`, `--claim` and `--any` ask for; any valid token will do without them."""
    if not scopes and (claim or one_of_them):
        raise click.UsageError("--claim and --any are about scopes: name one with --require.")
    if not scopes:
        return authenticated()
    source = None if not claim else claim[0] if len(claim) == 1 else claim
    try:
        return any_of(*scopes, claim=source) if one_of_them else requirement(*scopes, claim=source)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error


def exit_code(explanation: Explanation) -> int:
    """0 granted, 1 denied, 2 cannot tell."""
    if explanation.allowed:
        return GRANTED
    return CANNOT_TELL if explanation.status == 503 else DENIED


def show(explanation: Explanation, console: Console) -> None:
    """Print the text with a colour for each verdict."""
    for line in explanation.to_text().splitlines():
        mark = line.strip()[:1]
        style = _COLOURS.get(mark, "bold" if line.startswith(("ALLOWED", "DENIED")) else "")
        if line.startswith("  cure"):
            style = "cyan"
        console.print(line, style=style or None, markup=False, highlight=False, soft_wrap=True)
