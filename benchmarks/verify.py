"""What a decision costs over the bare check of its signature, without HTTP.

    python -m benchmarks verify [--quick] [--write]

`server.authorize` with its default settings and a policy of two scopes, against `public_key.verify` of the same
signatures, in turns on one core. Tokens are all different where nothing else is said, and more than the server
remembers. Ratios are medians; see `_timing.py`.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING
from unittest import mock

from jwtauthz import AccessDenied
from jwtauthz.keys.key import Key

from . import _lines, _workload
from ._lines import Line
from ._timing import SLICE, Timed, Work, compare, cores, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jwtauthz import ResourceServer
    from jwtauthz.testing import FakeIssuer

ROUNDS, QUICK_ROUNDS = 200, 20
ALGORITHMS = ("RS256", "ES256", "EdDSA")
HEADER = 16 * 1024  # the longest header that is looked into, less the word Bearer


def bare(tokens: Sequence[str], issuer: FakeIssuer) -> Work:
    """What nobody can do without: the one call into cryptography, its arguments ready."""
    return Work("bare verify", *_workload.bare_verify(issuer.key_set.keys[0], tokens))


def accept(server: ResourceServer) -> Callable[[str], object]:
    return partial(server.authorize, claim=_workload.CLAIM)


def refuse(server: ResourceServer, status: int) -> Callable[..., None]:
    """Ask for what is denied, and read of it what a door reads."""
    authorize = accept(server)

    def call(header: str, *needs: str) -> None:
        try:
            authorize(header, *needs)
        except AccessDenied as denied:
            if denied.status == status and denied.headers is not None:
                return
            raise
        raise AssertionError("it was let in")

    return call


def junk() -> dict[str, str]:
    """Headers as long as may be, none of which holds a token that could be parsed.

    Most things that are no token show it at once; the late ones begin as a token does, and were made for this.
    """
    from base64 import urlsafe_b64encode

    def text(document: str) -> str:
        return urlsafe_b64encode(document.encode()).rstrip(b"=").decode()

    head, signature = text('{"alg":"RS256","typ":"JWT","kid":"1"}'), "A" * 342
    room = (HEADER - len(f"{head}..{signature}")) // 4 * 4
    octets = room * 3 // 4
    members = ",".join(f'"{number:x}":1' for number in range(1200))
    payloads = {
        "no base64url at the end": "A" * (room - 1) + "!",
        "no JSON at all": "A" * room,
        "brackets that never close": text("[" * octets),
        "late, no base64url": f"e{'A' * (room - 5)}!AAA",
        "late, a brace and nothing": f"e{'A' * (room - 1)}",
        "late, a string without an end": text('{"' + "a" * (octets - 2)),
        "late, brackets that never close": text('{"a":' + "[" * (octets - 5)),
        "late, 1,200 members, the first one twice": text(f"{{{members},{members[:5]}}}"),
    }
    rest = f"{'A' * (HEADER - 4002 - len(signature))}.{signature}"
    return {
        "no dots": "A" * HEADER,
        "dots alone": "." * HEADER,
        "a header of nothing": f"{'A' * 4000}.{rest}",
        "late, a header of nothing": f"e{'A' * 3999}.{rest}",
        **{name: f"{head}.{payload}.{signature}" for name, payload in payloads.items()},
    }


def works(issuer: FakeIssuer, tokens: Sequence[str]) -> list[Work]:
    """What is done with tokens that parse. Each has a server of its own, for it would fill another's cache."""
    again = f"Bearer {tokens[0]}"
    headers = [(f"Bearer {token}", *_workload.NEEDS) for token in tokens]
    short = [(header, *_workload.NEEDS, _workload.MISSING) for header, *_ in headers]
    forged = [(f"Bearer {_workload.forged(token, issuer.algorithm)}", *_workload.NEEDS) for token in tokens]
    server = partial(_workload.a_server, issuer)
    return [
        Work("new token", accept(server()), headers),
        Work("token_cache=None", accept(server(token_cache=None)), headers),
        Work("same token", accept(server()), [(again, *_workload.NEEDS)]),
        Work("bad signature", refuse(server(), 401), forged),
        Work("short scope", refuse(server(), 403), short),
    ]


def junk_works(server: ResourceServer) -> list[Work]:
    call = refuse(server, 401), refuse(server, 400)
    made = []
    for name, text in junk().items():
        header = f"Bearer {text}"
        made.append(Work(name, call[status_of(server, header) == 400], [(header, "read:users")]))
    return made


def status_of(server: ResourceServer, header: str) -> int:
    try:
        server.authorize(header, "read:users")
    except AccessDenied as denied:
        return denied.status
    raise AssertionError("it was let in")


def crypto_reached(server: ResourceServer, headers: Sequence[str]) -> int:
    """How many signatures are checked while these headers are refused."""
    with mock.patch.object(Key, "verify", autospec=True, return_value=False) as verify:
        for header in headers:
            status_of(server, header)
    return verify.call_count


def measure(
    rounds: int,
    algorithms: Sequence[str] = ALGORITHMS,
    *,
    count: int = _workload.TOKENS,
    seconds: float = SLICE,
) -> dict[str, dict[str, Timed]]:
    """Everything, by algorithm; junk is measured beside the first one."""
    results = {}
    for algorithm in algorithms:
        with ExitStack() as stack:
            stack.enter_context(_workload.quiet_log())
            issuer = stack.enter_context(_workload.an_issuer(algorithm))
            tokens = _workload.tokens(issuer, count)
            todo = works(issuer, tokens)
            if algorithm == algorithms[0]:
                todo += junk_works(_workload.a_server(issuer))
            results[algorithm] = compare(bare(tokens, issuer), todo, rounds=rounds, seconds=seconds)
    return results


def lines(results: dict[str, dict[str, Timed]], reached: int) -> list[Line]:
    """The figures with their targets."""
    first, *others = results
    rs = results[first]
    base = rs["bare verify"].us
    new, again = rs["new token"], rs["same token"]
    made = [
        Line(f"{first}: a new token, over bare verify", new.ratio, target=1.7, detail=_of(new, base)),
        Line(
            f"{first}: the same with token_cache=None",
            rs["token_cache=None"].ratio,
            detail=_of(rs["token_cache=None"], base),
        ),
        Line(f"{first}: the same token again, over bare verify", again.ratio, target=0.2, detail=_of(again, base)),
        Line(f"{first}: what a new token costs beyond its signature", new.more, "µs"),
    ]
    for name in others:
        timed, alone = results[name]["new token"], results[name]["bare verify"].us
        made += [
            Line(
                f"{name}: what a new token costs beyond its signature",
                timed.more,
                "µs",
                new.more,
                detail=_of(timed, alone),
            ),
            Line(f"{name}: a new token, over bare verify", timed.ratio, detail=_of(timed, alone)),
            Line(f"{name}: the same token again", results[name]["same token"].ratio),
        ]
    for name in ("bad signature", "short scope"):
        ratio = rs[name].ratio / new.ratio
        made.append(Line(f"denial, {name}, over a new token", ratio, target=1.3, detail=f"{rs[name].us:.1f} µs"))
    made += [Line(f"junk, 16 KiB: {name}", rs[name].us, "µs", 30) for name in junk()]
    return [*made, Line("signatures checked for all of that junk", reached, "calls", 0)]


def _of(timed: Timed, base: float) -> str:
    low, high = timed.quartiles
    return f"{timed.us:.1f} of {base:.1f} µs; quartiles {low:.2f}–{high:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _lines.parser("verify", __doc__).parse_args(arguments)
    pin(cores()[:1])
    results = measure(QUICK_ROUNDS if options.quick else ROUNDS)
    with _workload.quiet_log(), _workload.an_issuer() as issuer:
        reached = crypto_reached(_workload.a_server(issuer), [f"Bearer {text}" for text in junk().values()])
    told = lines(results, reached)
    _lines.tell("verify", _lines.table(told), _lines.environment(), told, write=options.write)
    return 0
