"""Settings that make no sense cannot be built, and say what to write instead."""

from __future__ import annotations

import dataclasses

import httpx
import pytest

from jwtauthz.errors import ConfigurationError
from jwtauthz.keys.remote import RemoteKeySet, Timing
from jwtauthz.keys.urls import is_loopback, problem_with, redacted

from .tools import jwks

URLS = [
    pytest.param("https://issuer.example/jwks.json", None, id="https"),
    pytest.param("https://issuer.example/jwks?code=secret", None, id="a query, as function hosts have it"),
    pytest.param("http://127.0.0.1:8080/jwks", None, id="http on loopback"),
    pytest.param("http://[::1]:8080/jwks", None, id="http on loopback, IPv6"),
    pytest.param("http://localhost/jwks", None, id="http on localhost"),
    pytest.param("http://issuer.example/jwks", "not https", id="F14 http"),
    pytest.param("http://localhost.example/jwks", "not https", id="F14 a host that begins like loopback"),
    pytest.param("http://127.0.0.1.example/jwks", "not https", id="F14 a name that looks like an address"),
    pytest.param("http://127.0.0.1@issuer.example/", "not https", id="F14 a user name that looks like a host"),
    pytest.param("https://user:password@issuer.example/", "password", id="F17 a password"),
    pytest.param("https://user@issuer.example/", "user name", id="F17 a user name"),
    pytest.param("https://issuer.example/#keys", "fragment", id="a fragment"),
    pytest.param("https://issuer.example/#", "fragment", id="an empty fragment"),
    pytest.param("file:///etc/keys.json", "not an https URL", id="F26 a file"),
    pytest.param("data:application/json,{}", "not an https URL", id="F26 data"),
    pytest.param("ftp://issuer.example/", "not an https URL", id="F26 ftp"),
    pytest.param("https:///jwks", "not an https URL", id="no host"),
    pytest.param("issuer.example/jwks", "not an https URL", id="no scheme"),
    pytest.param("https://issuer.example:port/", "not an https URL", id="a port that is no number"),
    pytest.param("https://issuer.example/a b", "not an https URL", id="a space"),
    pytest.param("https://issuer.example/\n", "not an https URL", id="a line break"),
    pytest.param("https://issuer.example\\@evil.example/", "not an https URL", id="a backslash"),
    pytest.param("https://[::1/", "not an https URL", id="a bracket left open"),
    pytest.param("", "not an https URL", id="empty"),
]


@pytest.mark.parametrize(("url", "problem"), URLS)
def test_urls(url: str, problem: str | None) -> None:
    if problem is None:
        assert problem_with(url) is None
        RemoteKeySet(url)
    else:
        assert problem in str(problem_with(url))
        with pytest.raises(ConfigurationError, match="https") as refused:
            RemoteKeySet(url)
        assert "password@" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@issuer.example:8443/jwks?code=s#f", "https://issuer.example:8443/jwks?…"),
        ("https://issuer.example/", "https://issuer.example/"),
        ("https://[::1", "(not a URL)"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown, "F17"


def test_loopback_is_an_address_or_a_name_of_this_machine() -> None:
    assert is_loopback("http://127.9.9.9/")
    assert not is_loopback("http://192.168.0.1/")
    assert not is_loopback("http://[::1")


TIMINGS = [
    pytest.param({"ttl": 0}, "above 0", id="zero"),
    pytest.param({"flight": -1}, "above 0", id="a negative number"),
    pytest.param({"ttl": float("inf")}, "number of seconds", id="infinity"),
    pytest.param({"ttl": "600"}, "number of seconds", id="a string"),
    pytest.param({"ttl": True}, "number of seconds", id="a boolean"),
    pytest.param({"ttl": 30}, "ttl_floor", id="a TTL below the floor"),
    pytest.param({"ttl": 7200}, "ttl_ceiling", id="a TTL above the ceiling"),
    pytest.param({"refresh_from": 0.9}, "refresh_from", id="a refresh that begins after its end"),
    pytest.param({"refresh_to": 1.0}, "refresh_from", id="a refresh only when the keys are past their time"),
    pytest.param({"flight": 50, "miss_refill": 90}, "outlast", id="a fetch that outlasts its keys"),
    pytest.param({"backoff": 60}, "backoff_cap", id="a first back-off above the cap"),
    pytest.param({"miss_refill": 5, "negative_ttl": 5}, "miss_gap", id="a refusal without a proof"),
    pytest.param({"negative_ttl": 60}, "older", id="a refusal by too old a proof"),
]


@pytest.mark.parametrize(("numbers", "message"), TIMINGS)
def test_impossible_timings(numbers: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Timing(**numbers)


def test_the_default_timing_is_the_printed_one() -> None:
    assert Timing().removed_within == 3600, "T1"
    assert Timing().removed_within_outage == 7200, "T2"
    assert Timing(stale_if_error=0, miss_gap=0, flight=0.5).removed_within_outage == 3600
    assert dataclasses.is_dataclass(Timing)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({}, "where the keys are", id="neither a URL nor an issuer"),
        pytest.param({"issuer": "https://issuer.example/?a=b"}, "query", id="an issuer with a query"),
        pytest.param({"issuer": "http://issuer.example/"}, "not https", id="F14 an issuer on http"),
        pytest.param({"issuer": 5}, "no text", id="an issuer that is a number"),
        pytest.param(
            {"jwks_url": "https://i.example", "client": httpx.Client(trust_env=False)}, "lambda", id="a client"
        ),
        pytest.param({"jwks_url": "https://i.example", "start": "eager"}, "fail_fast", id="an unknown start"),
        pytest.param({"jwks_url": "https://i.example", "seed": {"keys": []}}, "no usable key", id="an empty seed"),
        pytest.param(
            {"jwks_url": "https://i.example", "on_event": [print, 5]}, "on_event=5", id="a hook that is none"
        ),
        pytest.param(
            {"jwks_url": "https://i.example", "seed": {}, "timing": Timing(stale_if_error=0)},
            "Leave one out",
            id="a seed that would never be used",
        ),
        pytest.param(
            {"jwks_url": "https://i.example", "seed": "/no/such/file"}, "cannot be read", id="no seed file"
        ),
    ],
)
def test_impossible_settings(settings: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RemoteKeySet(**settings)


def test_ignoring_what_the_issuer_forbids_is_said_loudly(caplog: pytest.LogCaptureFixture) -> None:
    RemoteKeySet("https://i.example", timing=Timing(unsafe_ignore_no_stale=True))
    assert "forbids" in caplog.text, "R9111-12"


@pytest.mark.parametrize("as_file", [True, False], ids=["a file", "a mapping"])
def test_a_seed_is_a_file_or_a_mapping(tmp_path, as_file: bool) -> None:
    import json

    (tmp_path / "jwks.json").write_bytes(jwks("one"))
    keys = RemoteKeySet("https://i.example", seed=tmp_path / "jwks.json" if as_file else json.loads(jwks("one")))
    assert keys.ready
    assert keys.state == "stale", "stale at birth"
