"""The demo: an issuer, a protected API, real HTTP between them, and what is answered to whom and why."""

from __future__ import annotations

import importlib
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from rich.markup import escape
from rich.table import Table

from jwtauthz import ResourceServer
from jwtauthz.testing import FakeIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from .apps import Framework

AUDIENCE = "https://api.example.com"


@dataclass(frozen=True)
class Step:
    """One request of the demo and the status it must be answered with."""

    what: str
    status: int
    path: str = "/users"
    authorization: tuple[str, ...] = ()


class _Reasons(logging.Handler):
    """Keeps what the library logs, which is where it says why."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def take(self) -> str:
        text = " ".join(self.lines)
        self.lines.clear()
        return text.partition(" ")[2].partition(" ")[2] if text.startswith("denied ") else ""


def run(framework: Framework, console: Console, *, serve: bool) -> int:
    """Run the demo; 0 if every request was answered as it should be."""
    app_module: Any = importlib.import_module(f".apps.{framework}_app", __package__)
    reasons = _Reasons()
    logger = logging.getLogger("jwtauthz")
    logger.addHandler(reasons)
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with (
            FakeIssuer(audience=AUDIENCE) as issuer,
            FakeIssuer(audience=AUDIENCE) as stranger,
            ResourceServer(issuer=issuer.url, audience=AUDIENCE) as server,
            app_module.serve(app_module.create_app(server)) as url,
        ):
            console.print(f"Issuer {issuer.url}   API {url} ({framework})   audience {AUDIENCE}\n")
            wrong = _send(steps(issuer, stranger), url, reasons, console)
            if serve:
                _keep_up(issuer, url, console)
    finally:
        logger.removeHandler(reasons)
        logger.setLevel(level)
        logger.propagate = propagate
    if wrong:
        console.print(f"\n[red]{wrong} of the answers above are not what they should be.[/red]")
        return 1
    return 0


def steps(issuer: FakeIssuer, stranger: FakeIssuer) -> Iterator[Step]:
    """The requests of the demo, in order; each token is made when its turn comes."""

    def bearer(token: str) -> tuple[str, ...]:
        return (f"Bearer {token}",)

    good = issuer.token(scope="openid read:users")
    yield Step("no token", 401)
    yield Step("scope read:users", 200, authorization=bearer(good))
    yield Step("expired a minute ago", 401, authorization=bearer(issuer.token(scope="read:users", expires_in=-60)))
    other = issuer.token(scope="read:users", audience="https://other.example.com")
    yield Step("meant for another API", 401, authorization=bearer(other))
    yield Step("from another issuer", 401, authorization=bearer(stranger.token(scope="read:users")))
    yield Step(
        "forged: right key ID, wrong key", 401, authorization=bearer(issuer.forged_token(scope="read:users"))
    )
    yield Step("opaque, as without an audience", 401, authorization=bearer("9fX2cW1Lr0uQ-opaque-reference"))
    yield Step("an ID token", 401, authorization=bearer(issuer.token(nonce="n-0S6_WzA2Mj")))
    yield Step("two Authorization headers", 400, authorization=bearer(good) * 2)
    yield Step("only openid profile email", 403, authorization=bearer(issuer.token(scope="openid profile email")))
    rbac = issuer.token(scope="openid profile", permissions=["read:users"])
    yield Step("permission in the other claim", 403, authorization=bearer(rbac))
    yield Step("the same, where permissions is read", 200, path="/staff", authorization=bearer(rbac))
    issuer.rotate()
    yield Step("after the issuer changed its key", 200, authorization=bearer(issuer.token(scope="read:users")))
    issuer.stop()
    yield Step("while the issuer is down", 200, authorization=bearer(issuer.token(scope="read:users")))
    issuer.start()


def _send(requests: Iterator[Step], url: str, reasons: _Reasons, console: Console) -> int:
    table = Table(show_lines=False, pad_edge=False, expand=False)
    table.add_column("request", no_wrap=True)
    table.add_column("status", justify="right")
    table.add_column("challenge", overflow="fold", ratio=2)
    table.add_column("why (from the log)", overflow="fold", ratio=3)
    wrong = 0
    with httpx.Client(base_url=url, trust_env=False) as client:
        for step in requests:
            response = client.get(step.path, headers=[("Authorization", value) for value in step.authorization])
            as_meant = response.status_code == step.status
            wrong += not as_meant
            colour = "green" if response.status_code == 200 else "yellow"
            status = f"[{colour if as_meant else 'bold red'}]{response.status_code}[/]"
            challenge = response.headers.get("WWW-Authenticate", "")
            table.add_row(f"GET {step.path}  {step.what}", status, escape(challenge), escape(reasons.take()))
    console.print(table)
    return wrong


def _keep_up(issuer: FakeIssuer, url: str, console: Console) -> None:
    console.print("\nThe API is up. Tokens are good for an hour; Ctrl-C ends it.\n")
    for what, path, token in (
        ("let in", "/users", issuer.token(scope="read:users", expires_in=3600)),
        ("refused, with the reason", "/users", issuer.token(permissions=["read:users"], expires_in=3600)),
        ("let in", "/staff", issuer.token(permissions=["read:users"], expires_in=3600)),
    ):
        console.print(f"# {what}")
        # Not through the table's console: a wrapped line can't be copied into a shell.
        print(f"curl -i {url}{path} -H 'Authorization: Bearer {token}'\n")  # noqa: T201
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Bye.")
