"""The tokens of `tests/vectors/issuers`, signed on the spot, and the API that each of them is sent to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jwtauthz import Issuer, KeySet, ResourceServer
from jwtauthz.testing import FakeClock, FakeIssuer
from jwtauthz.testing._signing import compact

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent.parent / "vectors" / "issuers"


@dataclass(frozen=True)
class Vector:
    """One file of the folder."""

    vendor: str
    kind: str
    what: str
    issuer: str
    audience: str
    header: Mapping[str, Any] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None


VECTORS = {path.stem: Vector(**json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))}


@cache
def mint() -> FakeIssuer:
    """What signs them: an issuer without a network, at the moment that the vectors speak of."""
    return FakeIssuer(network=False, clock=FakeClock())


@cache
def keys() -> KeySet:
    """The keys of `mint`."""
    return mint().key_set


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], *, by: FakeIssuer | None = None) -> str:
    """A token of just these members, whatever they are; a key ID in the header becomes the real one."""
    signer = by or mint()
    real = {"kid": signer.kid} if "kid" in header else {}
    return compact({**header, **real}, claims, signer._signing_key())


def token_of(name: str, **instead: Any) -> str:
    """The token of a vector; `instead` are claims that it has in place of its own."""
    vector = VECTORS[name]
    return vector.text or signed(vector.header, {**vector.claims, **instead})


def api_of(name: str, *, audience: str | None = None, **settings: Any) -> ResourceServer:
    """The API that a vector is sent to; `settings` are those of `Issuer`."""
    vector = VECTORS[name]
    issuer = Issuer(vector.issuer, key_set=keys(), **settings)
    return ResourceServer(issuer, audience or vector.audience, clock=FakeClock())
