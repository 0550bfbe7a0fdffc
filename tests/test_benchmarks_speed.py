"""The benchmarks of speed, with next to no repetitions: that they measure what they say, never how fast it is."""

from __future__ import annotations

import asyncio
import importlib
import json
from contextlib import closing
from unittest import mock

import pytest
from cryptography.exceptions import InvalidSignature
from starlette.testclient import TestClient

from benchmarks import (
    _apps,
    _lines,
    _report,
    _servers,
    _verifiers,
    _workload,
    http,
    memory,
    parts,
    peers,
    threads,
    verify,
)
from benchmarks._lines import Line
from benchmarks._timing import Work, compare
from jwtauthz.keys.key import Key
from jwtauthz.resource_server import DEFAULT_TOKEN_CACHE

imports = importlib.import_module("benchmarks.import")


@pytest.fixture(scope="module")
def issuer():
    with _workload.an_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def tokens(issuer):
    return _workload.tokens(issuer, 3)


# ── what is measured with ──


def test_the_token_is_like_one_of_auth0(issuer, tokens):
    claims = (
        _workload.a_server(issuer).authorize(f"Bearer {tokens[0]}", *_workload.NEEDS, claim="permissions").claims
    )
    assert (len(claims), len(claims["permissions"])) == (15, 10)
    assert 1000 < len(tokens[0]) < 1400
    assert len(set(tokens)) == len(tokens)


def test_a_forged_token_is_refused_for_its_signature_alone(issuer, tokens):
    explanation = _workload.a_server(issuer).explain(
        f"Bearer {_workload.forged(tokens[0], 'RS256')}", "read:users"
    )
    assert explanation.finding.code == "bad_signature"


@pytest.mark.parametrize("algorithm", verify.ALGORITHMS)
def test_the_yardstick_really_verifies(algorithm):
    with _workload.an_issuer(algorithm) as issuer:
        token = _workload.tokens(issuer, 1)[0]
        key = issuer.key_set.keys[0]
        call, [arguments] = _workload.bare_verify(key, [token])
        call(*arguments)
        call, [arguments] = _workload.bare_verify(key, [_workload.forged(token, algorithm)])
        with pytest.raises(InvalidSignature):
            call(*arguments)


# ── how it is timed ──


def test_each_input_gets_its_turn_and_async_work_is_awaited():
    seen, awaited = [], []

    async def later(number):
        awaited.append(number)

    works = [Work("now", seen.append, [(1,), (2,), (3,)]), Work("later", later, [(4,), (5,)])]
    timed = compare(Work("base", lambda: None, [()]), works, rounds=2, seconds=1e-5)
    assert list(timed) == ["base", "now", "later"]
    assert seen[:6] == [1, 2, 3, 1, 2, 3]
    assert awaited[:4] == [4, 5, 4, 5]
    assert timed["now"].slices == 2
    assert timed["now"].us > 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (Line("it", 1.7, target=1.7), ("at most 1.70×", "met")),
        (Line("it", 1.71, target=1.7), ("at most 1.70×", "missed")),
        (Line("it", 0.95, target=0.92, bound="at least"), ("at least 0.92×", "met")),
        (Line("it", 0.5, target=0.92, bound="at least"), ("at least 0.92×", "missed")),
        (Line("it", 31, "µs", 30), ("at most 30.0 µs", "missed")),
        (Line("it", 31, "µs"), ("–", "–")),
    ],
)
def test_a_line_says_whether_its_target_is_met(line, told):
    assert (line.wanted, line.verdict) == told
    assert told[1] in _lines.table([line])


# ── verify ──


def test_junk_never_reaches_the_signature(issuer):
    headers = [f"Bearer {text}" for text in verify.junk().values()]
    server = _workload.a_server(issuer)
    with _workload.quiet_log():
        assert {verify.status_of(server, header) for header in headers} <= {400, 401}
        assert verify.crypto_reached(server, headers) == 0
    assert max(map(len, verify.junk().values())) == verify.HEADER


def test_a_new_token_is_never_one_that_is_remembered(issuer, tokens):
    assert _workload.TOKENS > 2 * DEFAULT_TOKEN_CACHE
    new, _, again, _, short = verify.works(issuer, tokens)
    with (
        _workload.quiet_log(),
        mock.patch.object(Key, "verify", autospec=True, return_value=True) as checked,
        closing(asyncio.new_event_loop()) as loop,
    ):
        for work, different in ((new, 3), (short, 3), (again, 1)):
            checked.reset_mock()
            work.slice(1e-6, loop)
            assert checked.call_count == 2 * different, work.name  # remembered from the second time on


def test_the_counter_of_signatures_counts(issuer, tokens):
    with _workload.quiet_log():
        assert verify.crypto_reached(_workload.a_server(issuer), [f"Bearer {token}" for token in tokens]) == 3


def test_verify_has_a_line_for_each_target():
    results = verify.measure(1, ("ES256", "EdDSA"), count=3, seconds=1e-4)
    told = {line.work: line.target for line in verify.lines(results, 0)}
    assert told["ES256: a new token, over bare verify"] == 1.7
    assert told["ES256: the same token again, over bare verify"] == 0.2
    assert told["denial, bad signature, over a new token"] == told["denial, short scope, over a new token"] == 1.3
    assert {target for work, target in told.items() if work.startswith("junk")} == {30}


# ── http ──


@pytest.mark.parametrize("name", [name for name in _apps.ASGI if name != "starlette_open"])
def test_an_app_under_load_lets_in_whom_it_should(name, issuer, tokens):
    short = issuer.token(expires_in=600, **{**_workload.claims(0), "permissions": ["read:users"]})
    with TestClient(_apps.ASGI[name](issuer.url)) as client, _workload.quiet_log():
        assert _statuses(client, tokens[0], short) == [200, 403, 401, 401]


def test_the_flask_app_under_load_lets_in_whom_it_should(issuer, tokens):
    short = issuer.token(expires_in=600, **{**_workload.claims(0), "permissions": ["read:users"]})
    client = _apps.flask_app(issuer.url).test_client()
    assert client.get("/open").json == _apps.ANSWER
    with _workload.quiet_log():
        assert _statuses(client, tokens[0], short) == [200, 403, 401, 401]


def _statuses(client, good, short):
    headers = [{"Authorization": f"Bearer {token}"} for token in (good, short, _workload.forged(good, "RS256"))]
    return [client.get("/protected", headers=header).status_code for header in (*headers, {})]


def test_open_routes_are_as_long_as_protected_ones(issuer, tokens):
    for name in ("starlette_open", "fastapi_open"):
        with TestClient(_apps.ASGI[name](issuer.url)) as client:
            assert client.get("/open").json() == _apps.ANSWER
    assert len(_workload.claims(0)["subject"]) == len(_apps.ANSWER["sub"])


def test_each_comparison_is_of_servers_that_there_are():
    for comparison in http.COMPARISONS:
        assert {comparison.server, comparison.over} <= set(http.SERVERS)
    assert len({comparison.name for comparison in http.COMPARISONS}) == len(http.COMPARISONS)


def test_runs_stand_between_runs_of_what_they_are_compared_with():
    asked = []

    class Rig:
        def rate(self, server, path, tokens, seconds):
            asked.append((server, path, tokens))
            return 2.0 if path == "/protected" else 4.0

    [first, second, *_] = http.COMPARISONS
    results = http.measure(Rig(), [first, second], rounds=3)
    before = ("starlette_open", "/open", "one")
    protected = ("starlette_middleware", "/protected")
    assert asked[2:7] == [before, (*protected, "one"), before, (*protected, "many"), before]
    assert [result.ratios for result in results] == [[0.5] * 3] * 2
    assert results[0].line.verdict == "missed"


def test_http_says_what_it_lacks(monkeypatch, capsys):
    monkeypatch.setattr(_servers.shutil, "which", lambda name: None)
    assert http.main(["--quick"]) == 0
    assert "skipped: wrk is not installed" in capsys.readouterr().out


# ── parts ──


def test_the_parts_of_a_decision_are_those_that_let_a_token_in(issuer, tokens):
    results = {work.name: work.call(*next(work._inputs)) for work in parts.works(issuer, tokens)}
    claims = results[parts.WHOLE].claims
    assert results["the token in the header"] == tokens[0]
    assert results["the same with token_cache=None"].claims == claims
    assert results["parsing"].claims == results["– of which JSON"] == claims
    assert results["– of which base64url of the payload"].startswith(b"{")
    assert len(results["– of which base64url of the signature"]) == 256
    assert results["the claims, in one look"] is results["the signature"] is True
    assert results["finding the key"].keys == issuer.key_set.keys
    assert results["scopes and policy"].allowed


def test_parts_are_told_over_the_bare_verify():
    told = parts.lines(parts.measure(2, count=20, seconds=0.0001))
    assert [line.work for line in told[:2]] == ["bare verify", parts.WHOLE]
    assert "× bare verify" in told[1].detail


# ── peers ──


@pytest.mark.parametrize(
    "kind", [_verifiers.Jwtauthz, _verifiers.PyJWT, _verifiers.PyJWKClient], ids=lambda kind: kind.name
)
def test_a_library_takes_the_good_token_and_refuses_the_forged_one(kind, issuer):
    verifier = kind(issuer)
    token = _workload.tokens(issuer, 1, iss=verifier.url(), **kind.claims)[0]
    _verifiers.check(verifier, token, _workload.forged(token, "RS256"))
    with pytest.raises(AssertionError, match="takes a forged token"):
        _verifiers.check(verifier, token, token)


def test_a_library_that_is_not_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(_verifiers.Joserfc, "package", "no-such-package")
    assert "no-such-package is not installed" in _verifiers.Joserfc.missing()


def test_peers_are_ranked_and_gaps_are_shown():
    def row(library, algorithm, ratio):
        timed = {"us": 20 * ratio, "ratio": ratio, "more": 0, "quartiles": [ratio, ratio], "slices": 1}
        return {
            "library": library,
            "version": "1",
            "algorithm": algorithm,
            "new_token": timed,
            "same_token": timed,
        }

    rows = [row("slow", "RS256", 4.0), row("quick", "RS256", 1.5), {"library": "lost", "algorithm": "RS256"}]
    rows[2]["error"] = "ImportError"
    lines = peers.table(rows).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["quick 1", "slow 1", "lost"]


# ── import, memory, threads ──


def test_imports_are_timed_in_pairs():
    taken = imports.measure(1, ["import jwtauthz"])
    [line] = imports.lines(taken)
    assert line.target == 1.2
    assert line.value > 0


def test_memory_is_read_at_the_beginning_and_at_the_end():
    rows = memory.measure(last=30, first=10, tell=lambda text: None)
    assert [rows[0]["tokens"], rows[-1]["tokens"]] == [10, 30]
    assert memory.lines(rows)[0].target == 1.05


def test_threads_are_compared_with_one():
    rows = threads.measure(1, 0.01, count=60)
    assert [line.work for line in threads.lines(rows)] == [
        "authorize, a new token: 8 threads over one",
        "bare verify: 8 threads over one",
    ]


def test_a_missing_free_threaded_python_is_a_reason(monkeypatch):
    monkeypatch.setattr(threads.shutil, "which", lambda name: None)
    with pytest.raises(LookupError, match="no Python without the global lock"):
        threads.free_threaded(None)


# ── what is kept ──


def test_a_result_is_kept_as_json_and_in_the_readme(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_report, "ROOT", tmp_path)
    monkeypatch.setattr(_report, "RESULTS", tmp_path / "benchmarks" / "results")
    (tmp_path / "benchmarks").mkdir()
    readme = tmp_path / "benchmarks" / "README.md"
    readme.write_text("before\n<!-- verify -->\nold\n<!-- /verify -->\nafter\n")
    _lines.tell("verify", "| new |", "A machine.", [Line("it", 1, target=2)], write=True)
    kept = json.loads((tmp_path / "benchmarks" / "results" / "verify.json").read_text())
    assert kept["rows"][0]["met"] is True
    assert "| new |" in readme.read_text()
    assert "old" not in readme.read_text()
    assert "wrote" in capsys.readouterr().out
