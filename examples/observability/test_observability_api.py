"""The example for observability: real requests, a real scrape, and a dashboard that asks for what is there."""

import json
import re
import time
from pathlib import Path

import httpx
import pytest
from observability.observability_api import create_app
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from jwtauthz.cli.apps import fastapi_app
from jwtauthz.telemetry import PrometheusHook
from jwtauthz.testing import FakeIssuer

DASHBOARD = json.loads((Path(__file__).parent / "dashboard.json").read_text())


@pytest.fixture
def issuer():
    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def server(issuer, registry):
    return issuer.server(hooks=[PrometheusHook(registry)])


@pytest.fixture
def api(server, registry):
    """A client of the app, which listens on loopback."""
    with (
        fastapi_app.serve(create_app(server, registry)) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield client


def scrape(api):
    """What Prometheus finds: name → labels that are not empty → value."""
    answer = api.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = frozenset((name, value) for name, value in sample.labels.items() if value)
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def labels(**values):
    return frozenset(values.items())


def test_what_was_asked_is_what_is_scraped(api, issuer):
    opaque = {"Authorization": "Bearer x"}
    statuses = [
        api.get("/users", headers=headers).status_code
        for headers in (issuer.headers(scope="read:users"), issuer.headers(), {}, opaque)
    ]
    assert statuses == [200, 403, 401, 401]
    found = scrape(api)
    assert found["jwtauthz_decisions_total"] == {
        labels(outcome="allowed", issuer=issuer.url): 1,
        labels(outcome="denied", status="403", finding="scope_missing", issuer=issuer.url): 1,
        labels(outcome="denied", status="401", finding="no_credentials"): 1,
        labels(outcome="denied", status="401", finding="opaque_token"): 1,
    }
    assert found["jwtauthz_key_set_fetches_total"] == {labels(outcome="fetched", issuer=issuer.url): 1}
    assert found["jwtauthz_key_set_state"][labels(state="fresh", issuer=issuer.url)] == 1


def test_an_outage_is_seen_and_is_no_reason_to_restart(server, api, issuer):
    assert api.get("/health/ready").status_code == 200
    issuer.stop()
    server.issuers[0].key_set.purge()
    assert api.get("/users", headers=issuer.headers(scope="read:users")).status_code == 503
    assert (api.get("/health/ready").status_code, api.get("/health/live").status_code) == (503, 200)
    failed = labels(outcome="failed", failure="connection", issuer=issuer.url)
    end = time.monotonic() + 5
    while failed not in (found := scrape(api)).get("jwtauthz_key_set_fetches_total", {}):
        assert time.monotonic() < end  # a fetch reports in its own thread
    assert found["jwtauthz_key_set_state"][labels(state="empty", issuer=issuer.url)] == 1


def test_the_dashboard_asks_for_metrics_and_labels_that_are_there(api, issuer):
    api.get("/users", headers=issuer.headers())
    found = scrape(api)
    known = {name for series in found.values() for one in series for name, _ in one} | {"failure"}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            names = re.findall(r"jwtauthz_\w+", target["expr"])
            assert names
            assert set(names) <= set(found), panel["title"]
            for group in re.findall(r"by \(([\w, ]+)\)", target["expr"]):
                assert set(group.split(", ")) <= known, panel["title"]
