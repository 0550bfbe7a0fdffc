"""Where the time of one decision goes: its parts, each alone, beside the whole.

    python -m benchmarks parts [--quick] [--write]

New tokens, RS256, in turns with the bare check of their signatures. A part that runs alone finds everything in the
caches of the processor, so the parts add up to less than the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jwtauthz.policy import requirement
from jwtauthz.request import Request, bearer_token
from jwtauthz.token import b64url_decode, json_object, parse

from . import _lines, _workload
from ._lines import Line
from ._timing import SLICE, Timed, Work, compare, cores, pin
from .verify import accept, bare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jwtauthz.testing import FakeIssuer

ROUNDS, QUICK_ROUNDS = 100, 10
WHOLE = "the whole decision"


def works(issuer: FakeIssuer, tokens: Sequence[str]) -> list[Work]:
    """The whole and its parts, in the order in which they happen; what comes before a part is done beforehand."""
    server = _workload.a_server(issuer)
    verifier, now = server.verifier, server._clock()  # noqa: SLF001  # parts are private
    needed, request = requirement(*_workload.NEEDS, claim=_workload.CLAIM), Request()
    server.authorize(f"Bearer {tokens[0]}", needed)
    headers, [trusted] = verifier._headers, verifier._trusted.values()  # noqa: SLF001
    key = issuer.key_set.keys[0]
    segments = [token.encode().split(b".") for token in tokens]
    documents = [b64url_decode(payload) for _, payload, _ in segments]
    parsed: Any = [parse(token, headers) for token in tokens]

    def policy(token: Any) -> object:
        return needed.decide(verifier.reading(token, trusted.issuer), request, now)

    def part(name: str, call: Callable[..., Any], inputs: Sequence[Any]) -> Work:
        return Work(name, call, [each if isinstance(each, tuple) else (each,) for each in inputs])

    whole = [(f"Bearer {token}", *_workload.NEEDS) for token in tokens]
    return [
        Work(WHOLE, accept(_workload.a_server(issuer)), whole),
        Work("the same with token_cache=None", accept(_workload.a_server(issuer, token_cache=None)), whole),
        part("the token in the header", bearer_token, [((header,),) for header, *_ in whole]),
        part("parsing", lambda token: parse(token, headers), tokens),
        part("– of which base64url of the payload", b64url_decode, [payload for _, payload, _ in segments]),
        part("– of which base64url of the signature", b64url_decode, [signature for *_, signature in segments]),
        part("– of which JSON", json_object, documents),
        part("the claims, in one look", lambda token: trusted.looks_plain(token, now), parsed),
        part("finding the key", lambda token: _find(trusted.issuer, token), parsed),
        part("the signature", lambda token: key.verify("RS256", token.signing_input, token.signature), parsed),
        part("scopes and policy", policy, parsed),
    ]


def _find(issuer: Any, token: Any) -> object:
    return issuer.key_set.find(token.header.key_id, token.header.algorithm, after=None)


def measure(rounds: int, *, count: int = _workload.TOKENS, seconds: float = SLICE) -> dict[str, Timed]:
    with _workload.an_issuer() as issuer:
        tokens = _workload.tokens(issuer, count)
        return compare(bare(tokens, issuer), works(issuer, tokens), rounds=rounds, seconds=seconds)


def lines(results: dict[str, Timed]) -> list[Line]:
    return [
        Line(name, timed.us, "µs", detail=f"{timed.ratio:.2f}× bare verify") for name, timed in results.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _lines.parser("parts", __doc__).parse_args(arguments)
    pin(cores()[:1])
    told = lines(measure(QUICK_ROUNDS if options.quick else ROUNDS))
    _lines.tell("parts", _lines.table(told), _lines.environment(), told, write=options.write)
    return 0
