"""The lines of the specifications that this project answers for, and those that no test answers for yet.

An ID is the document and a running number; what the line asks is said by the row that carries the ID. Each
row of these tests begins with the IDs that it stands for, and `test_listing.py` compares the two.
"""

from __future__ import annotations


def _family(document: str, last: int) -> tuple[str, ...]:
    return tuple(f"{document}-{number:02}" for number in range(1, last + 1))


LINES: tuple[str, ...] = (
    *_family("R6750", 39),  # Bearer token usage
    *_family("R9110", 11),  # HTTP authentication
    *_family("R6749", 5),  # scope syntax
    *_family("ROA21", 5),  # OAuth 2.1 draft
    *_family("R9068", 22),  # JWT profile for access tokens
    *_family("R9470", 9),  # step-up authentication
    *_family("R8725", 14),  # JWT best current practices
    *_family("R8725B", 12),  # its successor, draft-ietf-oauth-rfc8725bis
    *_family("R7515", 13),  # JWS
    *_family("R7517", 10),  # JWK
    *_family("R7518", 4),  # JWA
    *_family("R7519", 14),  # JWT
    *_family("R8414", 10),  # authorization server metadata, with OpenID Connect Discovery
    *_family("RAWS", 9),  # what the JWT authorizer of an AWS HTTP API is documented to do
)

# Why a line has no row yet. May only shrink: an ID with a row must not stand here.
WITHOUT_TEST: dict[str, str] = {
    "R6750-22": "no challenge carries an error_uri yet",
    "R6750-25": "no challenge carries an error_uri yet",
    "R6750-35": "a setting that refuses plain http requests is not built yet",
    "R6750-36": "no X-Forwarded header is read yet, so there are no proxies to trust",
    "R9110-08": "there is one challenge at most until DPoP adds a second",
    "R9110-10": "answering 404 instead of 403 is not built yet",
    "R9068-03": "encrypted tokens are refused altogether, so there is no encryption to agree on",
    "R9068-12": "another scheme than Bearer comes with DPoP",
    "R9470-07": "introspection is not built yet; only the claims of a JWT are read",
    "R9470-09": "another scheme than Bearer comes with DPoP",
    "R8725B-09": "nested tokens are refused altogether, so there is no inner type to read",
    "R8414-09": "the second form of the metadata is asked only where there is no first: comparing them would cost "
    "a request more each time, and make an outage of what is a difference that nobody reads",
}
