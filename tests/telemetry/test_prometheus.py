"""The hook for Prometheus: what it counts, under which labels, and that no stranger can make a label."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from jwtauthz import Code, ConfigurationError, Issuer, RemoteKeySet, Request, ResourceServer, any_of, shadow
from jwtauthz.errors import ANSWERS
from jwtauthz.events import FailureKind, KeysFetched
from jwtauthz.telemetry import PrometheusHook
from jwtauthz.telemetry.metrics import FETCH_OUTCOMES, METRICS, OUTCOMES, STATES, Kind
from jwtauthz.telemetry.prometheus import prometheus_name
from jwtauthz.testing import FakeIssuer, behaviours

from .conftest import soon, status

DECISIONS, FETCHES = "jwtauthz_decisions_total", "jwtauthz_key_set_fetches_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


@pytest.fixture
def server(make, registry) -> ResourceServer:
    return make(PrometheusHook(registry))


def samples(registry: CollectorRegistry, name: str | None = None) -> list[tuple[str, dict[str, str], float]]:
    """What a scrape finds, read as Prometheus reads it; labels that are empty are not there at all."""
    return [
        (sample.name, {name: value for name, value in sample.labels.items() if value}, sample.value)
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if name in {None, sample.name}
    ]


def values(registry: CollectorRegistry, name: str) -> list[tuple[dict[str, str], float]]:
    return [(labels, value) for _, labels, value in samples(registry, name)]


# ── decisions ──


def test_a_request_that_is_let_in_is_counted_under_its_issuer(server, registry, issuer):
    assert status(server, f"Bearer {issuer.token(scope='read:users')}") == 200
    assert values(registry, DECISIONS) == [({"outcome": "allowed", "issuer": issuer.url}, 1)]


def test_an_anonymous_request_that_is_let_in_has_no_issuer(server, registry):
    assert status(server, None, optional=True) == 200
    assert values(registry, DECISIONS) == [({"outcome": "allowed"}, 1)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(None, ("401", "no_credentials"), id="no credentials"),
        pytest.param({"expires_in": -60}, ("401", "expired"), id="an expired token"),
        pytest.param({"iss": "https://evil.example/"}, ("401", "wrong_issuer"), id="a token of a stranger"),
    ],
)
def test_a_bad_token_is_counted_by_its_finding_and_without_the_issuer_it_claims(
    server, registry, issuer, options, expected
):
    status(server, None if options is None else f"Bearer {issuer.token(**options)}")
    [(labels, value)] = values(registry, DECISIONS)
    assert (labels, value) == ({"outcome": "denied", "status": expected[0], "finding": expected[1]}, 1)


def test_a_good_token_that_grants_too_little_is_counted_under_its_issuer(server, registry, issuer):
    assert status(server, f"Bearer {issuer.token(scope='other')}") == 403
    [(labels, _)] = values(registry, DECISIONS)
    assert labels == {"outcome": "denied", "status": "403", "finding": "scope_missing", "issuer": issuer.url}


def test_a_shadow_denial_is_counted_beside_the_request_that_it_lets_in(server, registry, issuer):
    assert status(server, f"Bearer {issuer.token()}", shadow("read:users")) == 200
    assert sorted((labels["outcome"], value) for labels, value in values(registry, DECISIONS)) == [
        ("allowed", 1),
        ("shadow_denied", 1),
    ]


def test_what_a_route_asks_of_a_request_that_was_let_in_is_counted_when_it_refuses(server, registry, issuer):
    request = Request(f"Bearer {issuer.token(scope='a')}")
    token = server.authorize(request, "a")
    server.permit(token, request, "a")
    with pytest.raises(Exception, match="scope_missing"):
        server.permit(token, request, "b")
    counted = {labels["outcome"]: value for labels, value in values(registry, DECISIONS)}
    assert counted == {"allowed": 1, "denied": 1}
    assert values(registry, "jwtauthz_decision_duration_seconds_count") == [({"outcome": "allowed"}, 1)]


def test_decisions_are_timed_and_waiting_for_keys_is_part_of_it(server, registry, issuer):
    issuer.behave(behaviours.slow(0.2))
    status(server, f"Bearer {issuer.token(scope='read:users')}")
    status(server, f"Bearer {issuer.token(scope='read:users')}")
    [(labels, total)] = values(registry, "jwtauthz_decision_duration_seconds_sum")
    assert labels == {"outcome": "allowed"}
    assert 0.2 < total < 3
    buckets = {
        labels["le"]: value for labels, value in values(registry, "jwtauthz_decision_duration_seconds_bucket")
    }
    assert (buckets["0.1"], buckets["5.0"]) == (1, 2)


# ── keys ──


def test_fetches_are_counted_by_what_came_of_them(server, registry, issuer):
    keys = server.issuers[0].key_set
    server.warm_up()
    keys.refresh()
    issuer.rotate()
    keys.refresh()
    issuer.behave(behaviours.failing(500))
    with pytest.raises(Exception, match="500"):
        keys.refresh()

    def counted() -> dict[tuple[str, str | None], float]:
        found = values(registry, FETCHES)
        return {(labels["outcome"], labels.get("failure")): value for labels, value in found}

    soon(counted, {("fetched", None): 2, ("confirmed", None): 1, ("failed", "status"): 1})
    soon(lambda: values(registry, "jwtauthz_key_set_rotations_total"), [({"issuer": issuer.url}, 1)])


def test_a_published_secret_is_an_alarm(server, registry, issuer):
    server.warm_up()
    issuer.behave(behaviours.leaking_private_keys(), at="jwks")
    with pytest.raises(Exception, match="no keys"):
        server.issuers[0].key_set.refresh()
    soon(lambda: values(registry, "jwtauthz_key_set_published_secrets_total"), [({"issuer": issuer.url}, 1)])


def test_the_state_of_the_keys_is_looked_up_when_prometheus_asks(server, registry, issuer):
    def state() -> list[str]:
        found = values(registry, "jwtauthz_key_set_state")
        assert {labels["state"] for labels, _ in found} == set(STATES)
        return [labels["state"] for labels, value in found if value]

    assert state() == ["empty"]
    assert values(registry, "jwtauthz_key_set_age_seconds") == []
    assert issuer.requests == ()  # a scrape fetches nothing
    server.warm_up()
    assert state() == ["fresh"]
    [(labels, age)] = values(registry, "jwtauthz_key_set_age_seconds")
    assert labels == {"issuer": issuer.url}
    assert 0 <= age < 10
    assert values(registry, "jwtauthz_key_set_keys") == [({"issuer": issuer.url}, 1)]
    server.issuers[0].key_set.purge()
    assert state() == ["empty"]


def test_the_budget_of_unknown_key_ids_is_shown(server, registry, issuer):
    server.warm_up()
    name = "jwtauthz_key_set_unknown_key_budget"
    assert values(registry, name) == [({"issuer": issuer.url}, 2)]
    status(server, f"Bearer {issuer.token(kid='made-up')}")
    assert values(registry, name)[0][1] < 1.1


def test_keys_without_a_network_have_a_state_and_no_age(registry):
    mint = FakeIssuer(network=False)
    server = ResourceServer(
        Issuer(mint.url, key_set=mint.key_set), mint.audience, hooks=[PrometheusHook(registry)]
    )
    assert status(server, f"Bearer {mint.token(scope='read:users')}") == 200
    assert [labels["state"] for labels, value in values(registry, "jwtauthz_key_set_state") if value] == ["static"]
    assert values(registry, "jwtauthz_key_set_age_seconds") == []


def test_a_key_set_with_a_url_of_its_own_is_counted_under_its_issuer(registry, issuer):
    trusted = Issuer("https://other.test/", jwks_url=issuer.jwks_url, algorithms="ES256")
    ResourceServer(trusted, issuer.audience, hooks=[PrometheusHook(registry)]).warm_up()
    soon(lambda: values(registry, FETCHES), [({"outcome": "fetched", "issuer": "https://other.test/"}, 1)])


def test_a_key_set_alone_may_have_the_hook_too(registry, issuer):
    RemoteKeySet(issuer=issuer.url, on_event=PrometheusHook(registry)).warm_up()
    soon(lambda: values(registry, FETCHES), [({"outcome": "fetched", "issuer": issuer.url}, 1)])


def test_keys_that_another_process_of_the_fleet_fetched_are_told_apart(registry, issuer):
    hook = PrometheusHook(registry)
    counts = {"keys": 1, "skipped": 0, "failures": 0}
    hook(KeysFetched(source=issuer.url, confirmed=False, seconds=0.1, fresh_for=600.0, shared=True, **counts))
    assert values(registry, FETCHES) == [({"outcome": "shared", "issuer": issuer.url}, 1)]


def test_a_key_set_of_the_application_that_fails_to_say_how_it_is_spoils_no_scrape(registry, caplog):
    class Odd:
        ready = True
        find = recheck = warm_up = awarm_up = close = staticmethod(lambda *a, **k: None)

        def health(self):
            raise RuntimeError("it feels unwell")

    server = ResourceServer(Issuer("https://a.test/", key_set=Odd()), "x", hooks=[PrometheusHook(registry)])
    assert values(registry, "jwtauthz_key_set_state") == []
    assert "it feels unwell" in caplog.text
    assert server.ready


# ── one registry, several hooks and servers ──


def test_an_app_factory_may_run_twice(make, registry, issuer):
    servers = [make(PrometheusHook(registry)) for _ in range(2)]
    for server in servers:
        status(server, None)
    assert values(registry, DECISIONS)[0][1] == 2
    servers[1].warm_up()
    [fresh] = [labels for labels, value in values(registry, "jwtauthz_key_set_state") if value]
    assert fresh == {"state": "fresh", "issuer": issuer.url}  # of the one that was built last, and no series twice


def test_a_server_that_is_gone_is_gone_from_the_gauges(make, registry):
    server = make(PrometheusHook(registry))
    assert values(registry, "jwtauthz_key_set_state")
    del server
    gc.collect()
    assert values(registry, "jwtauthz_key_set_state") == []


def test_servers_that_share_keys_and_a_hook_count_a_fetch_once(registry, issuer):
    hook = PrometheusHook(registry)
    trusted = Issuer(issuer.url, algorithms="ES256")
    servers = [ResourceServer(trusted, audience, hooks=[hook]) for audience in ("a", "b")]
    for _ in range(2):
        servers[0].issuers[0].key_set.refresh()
    fetched, confirmed = ({"outcome": outcome, "issuer": issuer.url} for outcome in ("fetched", "confirmed"))
    soon(lambda: values(registry, FETCHES), [(fetched, 1), (confirmed, 1)])


def test_a_registry_that_is_thrown_away_takes_its_metrics_along(make):
    import weakref

    registry = CollectorRegistry()
    server = make(PrometheusHook(registry))
    gone = weakref.ref(registry)
    del server, registry
    gc.collect()
    assert gone() is None


def test_two_hooks_of_one_server_may_not_count_everything_twice(make, registry):
    with pytest.raises(ConfigurationError, match="counted twice"):
        make(PrometheusHook(registry), PrometheusHook(registry))


def test_a_class_is_no_hook(make):
    with pytest.raises(ConfigurationError, match=r"Write PrometheusHook\(\)"):
        make(PrometheusHook)


def test_what_is_no_registry_is_refused():
    with pytest.raises(ConfigurationError, match="no registry"):
        PrometheusHook("metrics")


def test_the_default_registry_is_the_one_that_everybody_scrapes(make):
    from prometheus_client import REGISTRY

    status(make(PrometheusHook()), "Bearer")
    labels = {"outcome": "denied", "status": "400", "finding": "malformed_credentials", "issuer": ""}
    assert REGISTRY.get_sample_value(DECISIONS, labels) >= 1


# ── closed sets ──

HOSTILE = ["a\nb 1", '"} 1', "x" * 5000, "\u202e", "{{}}", "\x00", "http://evil.example/"]


def test_no_stranger_can_make_a_label(server, registry, issuer):
    """Tokens, hosts, paths and key IDs of all kinds, and yet every label value is one of those we know."""
    server.warm_up()
    for number, text in enumerate(HOSTILE * 3):
        odd = f"{text}{number}"
        for member in ("iss", "sub", "aud", "scope", "azp", "client_id", "exp", "acr", "jti", odd):
            status(server, f"Bearer {issuer.token(**{member: odd})}")
        for header in ("alg", "typ", "kid", "crit", "cty", "jku"):
            status(server, f"Bearer {issuer.token(headers={header: odd})}")
        for header in (odd, f"Bearer {odd}", f"{odd} {odd}", f"Bearer {issuer.forged_token(sub=odd)}"):
            status(server, Request(header, path=f"/{odd}", method=odd, headers={"host": odd, odd: odd}))
        status(server, f"Bearer {issuer.token(scope=odd)}", any_of("a", "b", claim="permissions"))
        status(server, f"Bearer {issuer.token(scope='read:users', sub=odd)}")
    closed = {
        "outcome": {*OUTCOMES, *FETCH_OUTCOMES},
        "status": {str(answer.status) for answer in ANSWERS.values()},
        "finding": set(map(str, Code)),
        "failure": set(map(str, FailureKind)),
        "issuer": {issuer.url},
        "state": set(STATES),
    }
    found = samples(registry)
    assert len({labels.get("finding") for _, labels, _ in found}) > 8  # the hostile tokens came through
    for name, labels, _ in found:
        for label, value in labels.items():
            assert label == "le" or value in closed[label], (name, label, value)
    # And so the number of series is bounded, whatever comes: a finding has one status.
    assert len(values(registry, DECISIONS)) <= (1 + 2 * len(Code)) * 2


def test_the_names_are_those_that_opentelemetry_exports():
    assert [prometheus_name(metric) for metric in METRICS if metric.kind is Kind.HISTOGRAM] == [
        "jwtauthz_decision_duration_seconds"
    ]
    assert all(prometheus_name(metric).endswith("_total") == (metric.kind is Kind.COUNTER) for metric in METRICS)


# ── threads and processes ──


def test_many_threads_lose_no_count(server, registry, issuer):
    server.warm_up()
    header = f"Bearer {issuer.token(scope='read:users')}"

    def ask() -> None:
        for _ in range(200):
            status(server, header)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(registry, DECISIONS) == [({"outcome": "allowed", "issuer": issuer.url}, 1600)]


def run(code: str, **environment: str) -> Any:
    """What a program of its own prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FORKING = """
    import json, os
    from prometheus_client import CollectorRegistry, generate_latest
    from jwtauthz import AccessDenied, Issuer, ResourceServer
    from jwtauthz.telemetry import PrometheusHook
    from jwtauthz.testing import FakeIssuer

    mint = FakeIssuer(network=False, algorithm="ES256")
    trusted = Issuer(mint.url, key_set=mint.key_set, algorithms="ES256")
    server = ResourceServer(trusted, mint.audience, hooks=[PrometheusHook()])

    def ask(times):
        for _ in range(times):
            try: server.authorize(None, "a")
            except AccessDenied: pass
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_counts_for_itself():
    counted = run(
        FORKING
        + """
    from prometheus_client import REGISTRY
    labels = {"outcome": "denied", "status": "401", "finding": "no_credentials", "issuer": ""}
    count = lambda: REGISTRY.get_sample_value("jwtauthz_decisions_total", labels)
    ask(1)
    out, into = os.pipe()
    if os.fork() == 0:
        ask(2)
        os.write(into, str(count()).encode())
        os._exit(0)
    os.wait()
    print(json.dumps([count(), float(os.read(out, 10))]))
    """
    )
    assert counted == [1, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_in_multiprocess_mode_the_counters_of_all_workers_are_added(tmp_path):
    scraped = run(
        FORKING
        + """
    from prometheus_client import multiprocess
    ask(1)  # in the parent, so that its series are there when it forks
    workers = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            ask(5)
            os._exit(0)
        workers.append(pid)
    for pid in workers: os.waitpid(pid, 0)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    print(json.dumps(generate_latest(registry).decode()))
    """,
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
    )
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(scraped)
        for sample in family.samples
    }
    assert found[DECISIONS] == 16
    assert found["jwtauthz_decision_duration_seconds_count"] == 16
    assert "jwtauthz_key_set_state" not in found  # as the documentation says


def test_loading_one_hook_loads_nothing_of_the_other():
    loaded = run(
        "import sys, json; from jwtauthz.telemetry import PrometheusHook\n"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    assert "prometheus_client" in loaded
    assert "opentelemetry" not in loaded


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [
        ("PrometheusHook", "prometheus_client", r"jwtauthz[prometheus]"),
        ("OpenTelemetryHook", "opentelemetry", r"jwtauthz[otel]"),
    ],
)
def test_without_the_extra_the_message_says_what_to_install(name, missing, extra):
    told = run(
        f"""
        import sys, json
        sys.modules[{missing!r}] = None
        try:
            from jwtauthz.telemetry import {name}
        except ImportError as error:
            print(json.dumps(str(error)))
        """
    )
    assert extra in told
