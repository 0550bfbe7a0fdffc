"""What can go wrong: the tree of exceptions, and what each finding tells a client."""

from __future__ import annotations

import json
import re

import pytest

from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    Finding,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    JWTAuthzError,
    KeySetUnavailable,
    NoCredentials,
    ServiceUnavailable,
)
from jwtauthz.challenge import challenge_for
from jwtauthz.errors import ANSWERS, denial_class


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        pytest.param(JWTAuthzError, {Exception}, id="there is one root, which is no other error"),
        pytest.param(ConfigurationError, {JWTAuthzError, ValueError}, id="a bad setting is a ValueError too"),
        pytest.param(KeySetUnavailable, {JWTAuthzError}, id="an outage is no denial by itself"),
        pytest.param(AccessDenied, {JWTAuthzError}, id="a denial is one of our errors, and no PermissionError"),
        pytest.param(InvalidRequest, {AccessDenied}, id="400 is a denial"),
        pytest.param(NoCredentials, {AccessDenied}, id="401 without a token is a denial"),
        pytest.param(InvalidToken, {AccessDenied}, id="401 for a token is a denial"),
        pytest.param(InsufficientScope, {AccessDenied}, id="403 is a denial"),
        pytest.param(ServiceUnavailable, {AccessDenied}, id="503 is a denial"),
    ],
)
def test_the_tree(error, parents):
    assert set(error.__bases__) == parents


CLASSES = {
    (400, "invalid_request"): InvalidRequest,
    (401, None): NoCredentials,
    (401, "invalid_token"): InvalidToken,
    (403, "insufficient_scope"): InsufficientScope,
    (503, "temporarily_unavailable"): ServiceUnavailable,
}


@pytest.mark.parametrize("code", list(Code))
class TestEveryFinding:
    def test_has_an_answer_of_the_closed_set_and_its_exception(self, code):
        answer, kind = ANSWERS[code], denial_class(Finding(code, "why"))
        assert kind is not AccessDenied
        assert issubclass(kind, AccessDenied)
        # What has an error code of its own has a class of its own.
        assert (kind in CLASSES.values()) is ((answer.status, answer.error) in CLASSES)
        assert kind is CLASSES.get((answer.status, answer.error), kind)

    def test_has_a_sentence_that_a_challenge_can_carry(self, code):
        # RFC 6750 section 3: %x20-21 / %x23-5B / %x5D-7E
        description = ANSWERS[code].description
        if ANSWERS[code].error is None:  # nothing was sent that we could speak of
            assert description is None
            return
        assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", description)
        assert not description.endswith(".")

    def test_has_a_stable_value(self, code):
        assert code.value == code.name.lower()
        assert str(code) == code.value


def denied(code: Code, **settings) -> AccessDenied:
    finding = Finding(code, "the reason")
    challenge = challenge_for(finding.answer, realm="api")
    return denial_class(finding)(finding, challenge=challenge, **settings)


class TestDenials:
    def test_the_text_is_for_the_log(self):
        error = denied(Code.EXPIRED)
        assert str(error) == "expired: the reason"
        assert "the reason" not in str(error.headers) + json.dumps(error.body)

    def test_the_hint_is_part_of_the_text_for_the_log_alone(self):
        finding = Finding(Code.EXPIRED, "the reason.", hint="wind the clock")
        error = denial_class(finding)(finding)
        assert str(error) == "expired: the reason. Hint: wind the clock"
        assert "clock" not in str(error.headers) + json.dumps(error.body)

    def test_the_deciding_finding_is_the_first(self):
        first, second = Finding(Code.SCOPE_MISSING, "one"), Finding(Code.CHECK_FAILED, "two")
        assert denied(Code.EXPIRED).findings == (denied(Code.EXPIRED).finding,)
        error = denial_class(first)(first, findings=[first, second])
        assert (error.finding, error.findings) == (first, (first, second))

    @pytest.mark.parametrize(
        ("error", "headers"),
        [
            pytest.param(
                denied(Code.NO_CREDENTIALS),
                {"Cache-Control": "no-store", "WWW-Authenticate": 'Bearer realm="api"'},
                id="a 401 carries its challenge and is not to be stored",
            ),
            pytest.param(
                denied(Code.KEYS_UNAVAILABLE, retry_after=12.4),
                {"Cache-Control": "no-store", "Retry-After": "12"},
                id="a 503 says when to try again and challenges nobody",
            ),
            pytest.param(
                denied(Code.KEYS_UNAVAILABLE, retry_after=0.1),
                {"Cache-Control": "no-store", "Retry-After": "1"},
                id="nobody is told to try again at once",
            ),
        ],
    )
    def test_headers(self, error, headers):
        assert error.headers == headers

    @pytest.mark.parametrize(
        ("error", "body"),
        [
            pytest.param(
                denied(Code.NO_CREDENTIALS, required=["admin"]),
                {"error": "unauthorized", "error_description": "This operation needs an access token"},
                id="who sent nothing learns nothing of what is required",
            ),
            pytest.param(
                denied(Code.EXPIRED, required=["admin"]),
                {"error": "invalid_token", "error_description": "The token has expired"},
                id="who sent a bad token learns what is wrong with it",
            ),
            pytest.param(
                denied(Code.SCOPE_MISSING, required=["admin", {"any_of": ["a", "b"]}]),
                {
                    "error": "insufficient_scope",
                    "error_description": "The token does not grant what this operation needs",
                    "required": ["admin", {"any_of": ["a", "b"]}],
                },
                id="who may not learns what would be required",
            ),
            pytest.param(
                denied(Code.REFUSED_BY_CHECK),
                {
                    "error": "insufficient_scope",
                    "error_description": "The token does not grant what this operation needs",
                },
                id="where no scope would help none is named",
            ),
        ],
    )
    def test_body(self, error, body):
        assert error.body == body
        assert json.loads(json.dumps(error.body)) == body

    def test_an_outage_knows_when_to_try_again(self):
        assert KeySetUnavailable("down").retry_after >= 1
        assert KeySetUnavailable("down", retry_after=7).retry_after == 7
