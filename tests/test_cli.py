"""The command line: explain, doctor and demo, with real tokens, and issuers on loopback that are not well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import rsa

from jwtauthz.cli.apps import Framework
from jwtauthz.cli.commands import cli
from jwtauthz.testing import FakeIssuer, MisbehavingIssuer, behaviours
from jwtauthz.testing._signing import _uint

AUDIENCE = "https://api.example.com"
ROOT = Path(__file__).parent.parent
GRANTED, DENIED, CANNOT_TELL = 0, 1, 2


def run(*arguments: str, stdin: str | bytes | None = None, **environment: str | None) -> Result:
    """The command, in this process. What it raises beside an exit is raised here."""
    variables = {"JWTAUTHZ_TOKEN": None, **environment}
    return CliRunner().invoke(cli, list(arguments), input=stdin, env=variables, catch_exceptions=False)


@pytest.fixture(scope="module")
def mint() -> FakeIssuer:
    return FakeIssuer(network=False)


@pytest.fixture(scope="module")
def jwks(mint, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("cli") / "jwks.json"
    path.write_text(json.dumps(mint.jwks()))
    return str(path)


@pytest.fixture
def explain(mint, jwks):
    """`explain` for the issuer `mint`, whose keys stand in a file."""

    def ask(*arguments: str, **options: Any) -> Result:
        settings = ("--issuer", mint.url, "--audience", AUDIENCE, "--jwks", jwks)
        return run("explain", *settings, *arguments, **options)

    return ask


# ── explain ──


class TestExplain:
    def test_granted(self, explain, mint):
        result = explain("--require", "read:users", mint.token(scope="read:users"))
        assert result.exit_code == GRANTED
        assert result.stdout.startswith("ALLOWED\n")
        assert "✓ signature" in result.stdout
        assert "✗" not in result.stdout

    def test_denied_with_cause_and_cure(self, explain, mint):
        result = explain("--require", "read:users", mint.token(permissions=["read:users"]))
        assert result.exit_code == DENIED
        lines = result.stdout.splitlines()
        assert lines[0] == "DENIED 403 scope_in_other_claim"
        assert lines[1] == "  why   `read:users` stands in `permissions`; this route reads `scope`."
        assert 'claim="permissions"' in lines[2]

    def test_a_bad_token_is_denied(self, explain, mint):
        assert explain(mint.token(expires_in=-60)).exit_code == DENIED
        assert explain(mint.forged_token()).exit_code == DENIED

    def test_any_valid_token_will_do_where_nothing_is_required(self, explain, mint):
        assert explain(mint.token()).exit_code == GRANTED

    def test_all_scopes_are_required(self, explain, mint):
        token = mint.token(scope="a b")
        assert explain("--require", "a", "--require", "b", token).exit_code == GRANTED
        assert explain("--require", "a", "--require", "c", token).exit_code == DENIED

    def test_one_of_them_with_any(self, explain, mint):
        token = mint.token(scope="b")
        assert explain("--require", "a", "--require", "b", "--any", token).exit_code == GRANTED
        assert explain("--require", "a", "--require", "c", "--any", token).exit_code == DENIED

    def test_a_claim(self, explain, mint):
        token = mint.token(permissions=["a"])
        assert explain("--require", "a", "--claim", "permissions", token).exit_code == GRANTED

    def test_a_claim_given_twice_is_a_path(self, explain, mint):
        token = mint.token(realm_access={"roles": ["a"]})
        path = ("--claim", "realm_access", "--claim", "roles")
        assert explain("--require", "a", *path, token).exit_code == GRANTED
        assert explain("--require", "a", "--claim", "realm_access.roles", token).exit_code == DENIED

    def test_several_audiences(self, mint, jwks):
        two = ("--audience", "https://other.example.com", "--audience", AUDIENCE)
        assert run("explain", "--issuer", mint.url, *two, "--jwks", jwks, mint.token()).exit_code == GRANTED

    def test_another_algorithm(self, tmp_path):
        curves = FakeIssuer(network=False, algorithm="ES256")
        path = tmp_path / "jwks.json"
        path.write_text(json.dumps(curves.jwks()))
        options = ("explain", "--issuer", curves.url, "--audience", AUDIENCE, "--jwks", str(path), curves.token())
        assert run(*options, "--algorithm", "ES256").exit_code == GRANTED
        refused = run(*options)
        assert refused.exit_code == DENIED
        assert "algorithms=('ES256',)" in refused.stdout

    def test_a_pem_file(self, mint, tmp_path):
        from cryptography.hazmat.primitives import serialization

        public = mint._signing_key()._private.public_key()
        path = tmp_path / "key.pem"
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        path.write_bytes(public.public_bytes(serialization.Encoding.PEM, form))
        options = ("--issuer", mint.url, "--audience", AUDIENCE, "--jwks", str(path))
        assert run("explain", *options, mint.token()).exit_code == GRANTED


class TestWhereTheTokenComesFrom:
    def test_standard_input(self, explain, mint):
        assert explain("-", stdin=f"{mint.token()}\n").exit_code == GRANTED

    def test_the_environment(self, explain, mint):
        assert explain(JWTAUTHZ_TOKEN=mint.token()).exit_code == GRANTED

    def test_the_argument_goes_first(self, explain, mint):
        assert explain(mint.token(), JWTAUTHZ_TOKEN="nonsense").exit_code == GRANTED

    def test_a_whole_header(self, explain, mint):
        assert explain("-", stdin=f"Bearer {mint.token()}\r\n").exit_code == GRANTED
        assert explain(f"bearer {mint.token()}").exit_code == GRANTED

    def test_nowhere(self, explain):
        result = explain()
        assert result.exit_code == CANNOT_TELL
        assert "There is no token." in result.stderr
        assert "JWTAUTHZ_TOKEN" in result.stderr

    @pytest.mark.parametrize("stdin", ["", "\n", "  \n"])
    def test_an_empty_input_is_no_token_either(self, explain, stdin):
        result = explain("-", stdin=stdin)
        assert result.exit_code == CANNOT_TELL
        assert "There is no token." in result.stderr

    @pytest.mark.parametrize("token", ["undefined", "a.b.c", "Bearer", "Bearer ", "\x1b[31m", "é", "a" * 20_000])
    def test_anything_else_is_denied_and_never_a_traceback(self, explain, token):
        result = explain("-", stdin=token)
        assert result.exit_code == DENIED
        assert result.stdout.startswith("DENIED 40")
        assert "\x1b" not in result.stdout

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    def test_a_file_that_a_shell_of_windows_has_written(self, explain, mint, encoding):
        result = explain("-", stdin=mint.token().encode(encoding))
        assert result.exit_code in {GRANTED, DENIED, CANNOT_TELL}

    def test_the_token_is_never_printed(self, explain, mint):
        for token in (mint.token(scope="read:users"), mint.forged_token()):
            for form in ((), ("--json",)):
                output = explain("--require", "x", *form, token).output
                assert not any(part in output for part in token.split("."))


class TestJSON:
    def test_it_has_stable_names(self, explain, mint):
        result = explain("--require", "a", "--json", mint.token(permissions=["a"]))
        assert result.exit_code == DENIED
        document = json.loads(result.stdout)
        assert (document["status"], document["finding"]) == (403, "scope_in_other_claim")
        assert (document["required"], document["missing"]) == (["a"], ["a"])

    def test_of_a_token_that_is_let_in(self, explain, mint):
        document = json.loads(explain("--json", mint.token()).stdout)
        assert (document["allowed"], document["status"], document["finding"]) == (True, 200, None)


class TestKeys:
    def test_discovered(self):
        with FakeIssuer() as issuer:
            result = run("explain", "--issuer", issuer.url, "--audience", AUDIENCE, issuer.token())
        assert result.exit_code == GRANTED

    def test_at_a_url(self):
        with FakeIssuer() as issuer:
            where = ("--jwks-url", issuer.jwks_url)
            result = run("explain", "--issuer", issuer.url, "--audience", AUDIENCE, *where, issuer.token())
            assert issuer.requests == ("/.well-known/jwks.json",)
        assert result.exit_code == GRANTED

    def test_out_of_reach(self):
        with FakeIssuer() as issuer:
            issuer.stop()
            result = run("explain", "--issuer", issuer.url, "--audience", AUDIENCE, issuer.token())
        assert result.exit_code == CANNOT_TELL
        assert result.stdout.startswith("DENIED 503 keys_unavailable")

    def test_offline_fetches_nothing_and_cannot_tell(self):
        with FakeIssuer() as issuer:
            options = ("--issuer", issuer.url, "--audience", AUDIENCE, "--offline", "--require", "a")
            result = run("explain", *options, issuer.token(scope="a"))
            assert issuer.requests == ()
        assert result.exit_code == CANNOT_TELL
        assert "Give --jwks a file" in result.stdout
        assert "(unverified)" in result.stdout

    @pytest.mark.parametrize(
        ("claims", "code"),
        [({"expires_in": -60}, "expired"), ({"audience": "https://x.example"}, "wrong_audience")],
    )
    def test_offline_denies_what_no_signature_could_mend(self, mint, claims, code):
        options = ("--issuer", mint.url, "--audience", AUDIENCE, "--offline")
        result = run("explain", *options, mint.token(**claims))
        assert result.exit_code == DENIED
        assert result.stdout.startswith(f"DENIED 401 {code}")

    def test_offline_with_a_file_checks_the_signature(self, explain, mint):
        assert explain("--offline", mint.token()).exit_code == GRANTED
        assert explain("--offline", mint.forged_token()).exit_code == DENIED


GOOD = {"--issuer": "https://issuer.test/", "--audience": AUDIENCE}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"--issuer": None}, "--issuer", id="no issuer"),
        pytest.param({"--audience": None}, "--audience", id="no audience"),
        pytest.param({"--issuer": ""}, "names no issuer", id="an empty issuer"),
        pytest.param({"--issuer": "acme.eu.auth0.com"}, "https", id="an issuer without a scheme"),
        pytest.param({"--issuer": "http://issuer.test/"}, "https", id="an issuer over http"),
        pytest.param({"--audience": ""}, "names no audience", id="an empty audience"),
        pytest.param({"--algorithm": "HS256"}, "shared secret", id="a shared secret"),
        pytest.param({"--algorithm": "none"}, "nobody signed", id="no signature"),
        pytest.param({"--algorithm": "RS265"}, "no signature algorithm", id="an algorithm with a typo"),
        pytest.param({"--require": ""}, "An empty scope", id="an empty scope"),
        pytest.param({"--require": "a b"}, "holds a space", id="two scopes in one"),
        pytest.param({"--require": "a", "--claim": ""}, "names no claim", id="an empty claim"),
        pytest.param({"--jwks": "/nowhere/jwks.json"}, "does not exist", id="no such file"),
        pytest.param({"--jwks": __file__}, "cannot be used", id="a file that is no JWKS"),
        pytest.param({"--jwks-url": "nonsense"}, "https", id="a JWKS at no URL"),
        pytest.param({"--jwks-url": "http://example.com/jwks"}, "https", id="a JWKS over http"),
        pytest.param(
            {"--jwks-url": "https://issuer.test/j", "--offline": ""}, "--offline", id="offline, with a URL"
        ),
        pytest.param({"--what": "x"}, "No such option", id="an option that is none"),
        pytest.param({"--claim": "x"}, "--require", id="a claim, and no scope"),
        pytest.param({"--any": ""}, "--require", id="any of nothing"),
    ],
)
def test_nonsense_is_told_in_a_sentence(mint, options, says):
    arguments: list[str] = []
    for name, value in {**GOOD, **options}.items():
        if value is not None:
            arguments += [name] if name in {"--offline", "--any"} else [name, value]
    result = run("explain", *arguments, mint.token())
    assert result.exit_code == CANNOT_TELL
    assert result.stdout == ""
    assert says in result.stderr
    assert "Traceback" not in result.stderr


# ── doctor ──


def doctor(issuer: str, *arguments: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and what was found by what was looked at."""
    result = run("doctor", "--issuer", issuer, "--audience", AUDIENCE, "--json", *arguments)
    found: dict[str, list[dict[str, Any]]] = {}
    for line in json.loads(result.stdout):
        found.setdefault(line["what"], []).append(line)
    for lines in found.values():
        assert all(line["ok"] or line["cure"] for line in lines)
    return result.exit_code, found


def bad(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [what for what, lines in found.items() if not all(line["ok"] for line in lines)]


def weak_jwk(bits: int) -> dict[str, str]:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return {"kty": "RSA", "kid": "weak", "alg": "RS256", "n": _uint(numbers.n), "e": _uint(numbers.e)}


class TestDoctor:
    def test_all_is_well(self, issuer):
        code, found = doctor(issuer.url)
        assert (code, bad(found)) == (0, [])
        assert {"settings", "discovery", "issuer", "clock", "JWKS", "key", "guarantee"} <= set(found) | {"clock"}
        assert issuer.kid in found["key"][0]["found"]
        assert "2048 bits" in found["key"][0]["found"]
        assert "max-age=600" in found["JWKS"][0]["found"]

    def test_in_words(self, issuer):
        result = run("doctor", "--issuer", issuer.url, "--audience", AUDIENCE)
        assert result.exit_code == 0
        assert all(line.startswith("✓ ") for line in result.stdout.splitlines())
        assert "T1: a key that the issuer removes is refused within 3600 s" in result.stdout

    def test_what_to_do_stands_under_what_is_wrong(self, issuer):
        result = run("doctor", "--issuer", issuer.url.rstrip("/"), "--audience", AUDIENCE)
        lines = result.stdout.splitlines()
        [wrong] = [number for number, line in enumerate(lines) if line.startswith("✗")]
        assert lines[wrong].startswith("✗ issuer: the metadata say")
        assert lines[wrong + 1].startswith("    write issuer=")

    def test_the_issuer_lacks_its_trailing_slash(self, issuer):
        code, found = doctor(issuer.url.rstrip("/"))
        assert (code, bad(found)) == (1, ["issuer"])
        assert f"write issuer='{issuer.url}'" in found["issuer"][0]["cure"]

    def test_the_issuer_is_down(self):
        with FakeIssuer() as issuer:
            issuer.stop()
            code, found = doctor(issuer.url)
        assert (code, bad(found)) == (1, ["discovery"])
        assert "can't be fetched" in found["discovery"][0]["found"]
        assert "JWKS" not in found

    @pytest.mark.parametrize(
        ("behaviour", "at", "wrong"),
        [
            pytest.param(behaviours.html(), "metadata", "discovery", id="a web page instead of the metadata"),
            pytest.param(behaviours.html(), "jwks", "JWKS", id="a web page instead of the JWKS"),
            pytest.param(behaviours.failing(503), "metadata", "discovery", id="503 for the metadata"),
            pytest.param(behaviours.failing(404), "jwks", "JWKS", id="404 for the JWKS"),
            pytest.param(behaviours.redirecting("/login"), "metadata", "discovery", id="a redirection"),
            pytest.param(behaviours.huge(1_000_000), "jwks", "JWKS", id="a JWKS that is too large"),
            pytest.param(behaviours.truncated(), "jwks", "JWKS", id="half a JWKS"),
            pytest.param(behaviours.nested(50_000), "jwks", "JWKS", id="JSON that is too deep"),
            pytest.param(behaviours.gzip_bomb(10_000_000), "jwks", "JWKS", id="a gzip bomb"),
            pytest.param(behaviours.altered(keys=[]), "jwks", "JWKS", id="a JWKS without keys"),
            pytest.param(behaviours.altered(jwks_uri=None), "metadata", "jwks_uri", id="no jwks_uri"),
            pytest.param(behaviours.altered(jwks_uri=7), "metadata", "jwks_uri", id="a jwks_uri that is a number"),
            pytest.param(
                behaviours.altered(jwks_uri="nonsense"), "metadata", "JWKS", id="a jwks_uri that is no URL"
            ),
            pytest.param(
                behaviours.altered(issuer="https://other.example/"), "metadata", "issuer", id="another issuer"
            ),
        ],
    )
    def test_the_issuer_is_not_well(self, behaviour, at, wrong):
        with MisbehavingIssuer(behaviour, at=at) as issuer:
            code, found = doctor(issuer.url)
        assert (code, bad(found)) == (1, [wrong])

    def test_weak_keys(self):
        weak = behaviours.publishing(weak_jwk(1024))
        with MisbehavingIssuer(weak) as issuer:
            _, found = doctor(issuer.url)
            [skipped] = found["key skipped"]
            assert skipped["found"].startswith("weak: ")
            assert "1024" in skipped["found"]
            issuer.behave(behaviours.publishing(weak_jwk(1024), alone=True))
            assert doctor(issuer.url)[0] == 1

    def test_a_private_key_is_published(self):
        with MisbehavingIssuer(behaviours.leaking_private_keys()) as issuer:
            code, found = doctor(issuer.url)
        assert code == 1
        assert bad(found)[0] in {"JWKS", "key skipped"}

    @pytest.mark.parametrize(("seconds", "well"), [(0, True), (-600, False), (3600, False)])
    def test_the_clock(self, seconds, well):
        behaviour = behaviours.with_headers({"Date": formatdate(time() + seconds, usegmt=True)})
        with MisbehavingIssuer(behaviour, at="metadata") as issuer:
            code, found = doctor(issuer.url)
        assert (code, found["clock"][0]["ok"]) == (0 if well else 1, well)
        if not well:
            assert f"{-seconds:+.0f}"[:2] in found["clock"][0]["found"]
            assert "NTP" in found["clock"][0]["cure"]

    def test_a_date_that_is_none(self):
        with MisbehavingIssuer(behaviours.with_headers({"Date": "yesterday"}), at="metadata") as issuer:
            code, found = doctor(issuer.url)
        assert (code, bad(found)) == (0, [])

    def test_an_algorithm_that_the_api_does_not_allow(self):
        with FakeIssuer(algorithm="ES256") as issuer:
            code, found = doctor(issuer.url)
            assert (code, bad(found)) == (1, ["key"])
            assert "algorithms=('ES256',)" in found["key"][0]["cure"]
            assert doctor(issuer.url, "--algorithm", "ES256")[0] == 0

    def test_a_key_for_something_else_beside_the_right_one_is_no_trouble(self):
        other = FakeIssuer(network=False, algorithm="ES256").jwks()["keys"][0]
        with MisbehavingIssuer(behaviours.publishing(other)) as issuer:
            code, found = doctor(issuer.url)
        assert (code, bad(found)) == (0, [])

    def test_an_issuer_with_the_metadata_of_rfc_8414_alone(self):
        def act(exchange):
            if "openid" in exchange.path:
                return behaviours.failing(404)(exchange)
            return exchange.reply(exchange.good)

        with MisbehavingIssuer(act, at="metadata") as issuer:
            options = ("--issuer", issuer.url, "--audience", AUDIENCE)
            assert run("explain", *options, issuer.token()).exit_code == GRANTED
            code, found = doctor(issuer.url)
        assert (code, bad(found)) == (0, [])

    @pytest.mark.parametrize("url", ["nonsense", "http://issuer.test/", "", "https://", "https://[bad/"])
    def test_an_issuer_that_is_no_url(self, url):
        code, found = doctor(url)
        assert (code, list(found)) == (1, ["settings"])


# ── demo, and the way in ──


@pytest.mark.parametrize("framework", get_args(Framework))
def test_demo(framework):
    result = run("demo", "--framework", framework)
    assert result.exit_code == 0, result.output
    assert "scope_in_other_claim" in result.stdout
    assert "are not what they should be" not in result.stdout


def test_demo_of_a_framework_that_is_none():
    result = run("demo", "--framework", "django")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "django" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["explain", "--help"], ["doctor", "-h"], ["demo", "-h"]])
def test_help(arguments):
    result = run(*arguments)
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_as_a_program_of_its_own(mint, jwks):
    """`python -m jwtauthz.cli`, with real standard input and a real exit code."""
    command = [sys.executable, "-m", "jwtauthz.cli", "explain", "-", "--issuer", mint.url]
    command += ["--audience", AUDIENCE, "--jwks", jwks, "--require", "x"]
    done = subprocess.run(
        command,
        input=mint.token(permissions=["x"]),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == DENIED
    assert done.stdout.startswith("DENIED 403 scope_in_other_claim")
    assert done.stderr == ""
