"""A machine that calls an API: client credentials with httpx, and errors that say what to do.

With Node and npm, an issuer and an API are started along with it:

    python examples/with_real_issuer.py m2m

With your own, `examples/fastapi_api.py` may be the API. Register a machine-to-machine client that may ask for
`read:users`:

    export ISSUER=https://tenant.eu.auth0.com/ CLIENT_ID=... CLIENT_SECRET=... API=http://127.0.0.1:8000
    export ASKS="audience=https://api.example.com"
    python examples/m2m/m2m_client.py

`ASKS` is what the issuer wants to hear beside the scope, to issue a token for your API: Auth0 `audience=...`,
issuers that follow RFC 8707 `resource=...`, Okta and Keycloak nothing.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Generator
from urllib.parse import parse_qsl

import httpx

EARLY = 30
"""Seconds before its end at which a token is replaced: a request takes time, and clocks differ."""


class Refused(Exception):
    """The issuer gives no token, or the API refuses the request; the text says why.

    `scope` is what the API wants to see in a token (RFC 6750 section 3), empty if that is not the matter.
    """

    def __init__(self, reason: str, scope: str = "") -> None:
        super().__init__(reason)
        self.scope = scope


class ClientCredentials(httpx.Auth):
    """Puts an access token on every request; give it to `httpx.Client` or `httpx.AsyncClient` as `auth=`.

    The token is fetched when it is first needed (RFC 6749 section 4.4), and kept until shortly before it expires.
    If the API takes it no more, because a key was withdrawn, a new one is fetched, once for a request.

    Args:
        token_url: the issuer's token endpoint.
        client: ID and secret.
        scope: what to ask for, separated by spaces.
        asks: what the issuer wants to hear beside it, such as {"audience": "https://api.example.com"}.
        clock: seconds, for tests.
    """

    requires_response_body = True

    def __init__(
        self,
        token_url: str,
        client: tuple[str, str],
        *,
        scope: str = "",
        asks: dict[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._form = {"grant_type": "client_credentials", "scope": scope, **(asks or {})}
        self._token_url = token_url
        self._client = httpx.BasicAuth(*client)
        self._clock = clock
        self._token = ""
        self._use_until = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        fresh = self._clock() >= self._use_until
        if fresh:
            self._keep((yield self._question()))
        response = yield self._with_token(request)
        if response.status_code == 401 and not fresh:
            self._keep((yield self._question()))
            yield self._with_token(request)

    def _question(self) -> httpx.Request:
        question = httpx.Request("POST", self._token_url, data={k: v for k, v in self._form.items() if v})
        return next(self._client.auth_flow(question))

    def _keep(self, answer: httpx.Response) -> None:
        given = _json(answer)
        if not answer.is_success or not given.get("access_token"):
            reason = given.get("error_description") or given.get("error") or answer.reason_phrase
            raise Refused(f"{self._token_url} gives no token: {answer.status_code} {reason}")
        self._token = given["access_token"]
        # An issuer that does not say how long: for the next minute.
        self._use_until = self._clock() + max(given.get("expires_in", EARLY + 60) - EARLY, 0)

    def _with_token(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer of an API, if it is a good one. Raises Refused, with what jwtauthz says about it."""
    if answer.is_success:
        return answer
    said, challenge = _json(answer), answer.headers.get("WWW-Authenticate", "")
    scope = re.search(r'\bscope="([^"]*)"', challenge)
    what = f"{answer.request.method} {answer.request.url.path}"
    reason = f"{what}: {answer.status_code} {said.get('error', '')}: {said.get('error_description', '')}"
    if required := said.get("required"):
        reason += f". It needs {' and '.join(map(_in_words, required))}"
    if answer.status_code == 503:
        reason += f". Try again in {answer.headers.get('Retry-After', 'a few')} s"
    raise Refused(reason, scope[1] if scope else "")


def token_url_of(issuer: str) -> str:
    """The token endpoint that the issuer's metadata name."""
    answer = httpx.get(f"{issuer.removesuffix('/')}/.well-known/openid-configuration").raise_for_status()
    if answer.json()["issuer"] != issuer:
        raise Refused(f"the metadata of {issuer} are those of {answer.json()['issuer']}")
    return str(answer.json()["token_endpoint"])


def _in_words(required: object) -> str:
    return (
        " or ".join(required["any_of"]) if isinstance(required, dict) and "any_of" in required else str(required)
    )


def _json(answer: httpx.Response) -> dict:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def told(client: httpx.Client, path: str) -> str:
    """One line on what the API answers."""
    answer = client.get(path)
    try:
        return f"GET {path}: {answer.status_code} {checked(answer).text}"
    except Refused as refused:
        return str(refused)


def main() -> None:
    issuer, api = os.environ["ISSUER"], os.environ["API"]
    credentials = (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
    asks = dict(parse_qsl(os.environ.get("ASKS", "")))
    try:
        auth = ClientCredentials(token_url_of(issuer), credentials, scope="read:users", asks=asks)
        with httpx.Client(base_url=api, auth=auth) as client:
            for path in ("/me", "/users", "/admin/report"):  # the last one needs what it has not asked for
                sys.stdout.write(f"{told(client, path)}\n")
    except Refused as no_token:
        sys.exit(str(no_token))
    except httpx.TransportError as unreachable:
        sys.exit(f"{unreachable.request.url} does not answer: {unreachable}")


if __name__ == "__main__":
    main()
