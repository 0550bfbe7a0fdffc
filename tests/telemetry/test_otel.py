"""The hook for OpenTelemetry: metrics, span attributes, and names of the semantic conventions."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv.attributes import error_attributes, http_attributes

from jwtauthz import AccessDenied, ConfigurationError, ResourceServer, shadow
from jwtauthz.telemetry import OpenTelemetryHook
from jwtauthz.telemetry.metrics import DURATIONS, METRICS
from jwtauthz.telemetry.otel import ATTRIBUTES
from jwtauthz.testing import behaviours

from .conftest import soon, status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def provider(reader) -> MeterProvider:
    return MeterProvider([reader], shutdown_on_exit=False)


@pytest.fixture
def server(make, provider) -> ResourceServer:
    return make(OpenTelemetryHook(meter_provider=provider))


@pytest.fixture
def points(reader) -> Callable[[str], list[tuple[dict[str, Any], Any]]]:
    """The data points of a metric: attributes, and the value (or the whole point of a histogram)."""

    def read(name: str) -> list[tuple[dict[str, Any], Any]]:
        return [
            (dict(point.attributes), getattr(point, "value", point))
            for resource in reader.get_metrics_data().resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    return read


# ── metrics ──


def test_decisions_are_counted_with_the_attributes_of_the_conventions(server, points, issuer):
    status(server, f"Bearer {issuer.token(scope='read:users')}")
    status(server, f"Bearer {issuer.token()}")
    status(server, None)
    assert points("jwtauthz.decisions") == [
        ({"jwtauthz.outcome": "allowed", "jwtauthz.issuer": issuer.url}, 1),
        (
            {
                "jwtauthz.outcome": "denied",
                "http.response.status_code": 403,
                "error.type": "scope_missing",
                "jwtauthz.issuer": issuer.url,
            },
            1,
        ),
        ({"jwtauthz.outcome": "denied", "http.response.status_code": 401, "error.type": "no_credentials"}, 1),
    ]


def test_names_that_exist_are_those_of_the_conventions():
    assert ATTRIBUTES["status"] == http_attributes.HTTP_RESPONSE_STATUS_CODE
    assert ATTRIBUTES["finding"] == ATTRIBUTES["failure"] == error_attributes.ERROR_TYPE
    others = set(ATTRIBUTES.values()) - {http_attributes.HTTP_RESPONSE_STATUS_CODE, error_attributes.ERROR_TYPE}
    assert all(name.startswith("jwtauthz.") for name in others)


def test_the_durations_have_the_buckets_of_decisions(server, points, issuer):
    status(server, f"Bearer {issuer.token(scope='read:users')}")
    [(attributes, point)] = points("jwtauthz.decision.duration")
    assert attributes == {"jwtauthz.outcome": "allowed"}
    assert (point.count, tuple(point.explicit_bounds)) == (1, DURATIONS)


def test_fetches_that_fail_say_why(server, points, issuer):
    issuer.behave(behaviours.refusing())
    assert status(server, f"Bearer {issuer.token()}") == 503
    attributes = {"jwtauthz.outcome": "failed", "error.type": "connection", "jwtauthz.issuer": issuer.url}
    soon(lambda: points("jwtauthz.key_set.fetches"), [(attributes, 1)])


def test_the_keys_are_observed_when_metrics_are_collected(server, points, issuer):
    server.warm_up()
    here = {"jwtauthz.issuer": issuer.url}
    states = {
        attributes["jwtauthz.key_set.state"]: value for attributes, value in points("jwtauthz.key_set.state")
    }
    assert [state for state, value in states.items() if value] == ["fresh"]
    assert points("jwtauthz.key_set.keys") == [(here, 1)]
    assert points("jwtauthz.key_set.unknown_key_budget") == [(here, 2)]
    [(attributes, age)] = points("jwtauthz.key_set.age")
    assert attributes == here
    assert 0 <= age < 10


def test_every_metric_of_the_table_is_made(server, reader, issuer):
    server.warm_up()
    keys = server.issuers[0].key_set
    status(server, None)
    issuer.rotate()
    keys.refresh()
    issuer.behave(behaviours.leaking_private_keys(), at="jwks")
    with pytest.raises(Exception, match="no keys"):
        keys.refresh()

    def made() -> set[tuple[str, str, str]]:
        [resource] = reader.get_metrics_data().resource_metrics
        [scope] = resource.scope_metrics
        assert scope.scope.name == "jwtauthz"
        return {(metric.name, metric.unit, metric.description) for metric in scope.metrics}

    soon(made, {(metric.name, metric.unit, metric.help) for metric in METRICS})


def test_an_app_factory_may_run_twice(make, provider, points, caplog):
    with caplog.at_level(logging.WARNING, "opentelemetry"):
        servers = [make(OpenTelemetryHook(meter_provider=provider)) for _ in range(2)]
    for server in servers:
        status(server, None)
    assert points("jwtauthz.decisions")[0][1] == 2
    assert caplog.text == ""  # the SDK would warn of an instrument that is made twice


def test_without_an_sdk_it_does_nothing(make, issuer):
    server = make(OpenTelemetryHook())
    assert status(server, f"Bearer {issuer.token(scope='read:users')}") == 200
    assert status(server, None) == 401


def test_it_may_be_built_before_the_sdk_is_set_up():
    """In a program of its own, for the global provider is set once in a process."""
    program = """if True:
        from jwtauthz import AccessDenied, ResourceServer
        from jwtauthz.telemetry import OpenTelemetryHook
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        server = ResourceServer("https://issuer.test/", "x", hooks=[OpenTelemetryHook()])
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader]))
        again = ResourceServer("https://issuer.test/", "x", hooks=[OpenTelemetryHook()])
        for each in (server, again):
            try: each.authorize(None, "a")
            except AccessDenied: pass
        for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
            for metric in scope.metrics:
                if metric.name == "jwtauthz.decisions":
                    print(*[point.value for point in metric.data.data_points])
        """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert sum(map(int, done.stdout.split())) == 2


@pytest.mark.parametrize(
    "settings", [{"meter_provider": "global"}, {"meter_provider": InMemoryMetricReader()}, {"user_id": "sub"}]
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        OpenTelemetryHook(**settings)


def test_two_hooks_of_one_server_may_not_count_everything_twice(make, provider):
    with pytest.raises(ConfigurationError, match="counted twice"):
        make(OpenTelemetryHook(meter_provider=provider), OpenTelemetryHook(meter_provider=provider))


# ── spans ──


def attributes_after(act: Callable[[], object]) -> Mapping[str, Any]:
    """What a span says after something was done in it."""
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("GET /users") as span:
        act()
    return dict(span.attributes)


def test_a_span_is_told_of_a_request_that_is_let_in(server, issuer):
    header = f"Bearer {issuer.token(scope='read:users')}"
    assert attributes_after(lambda: status(server, header)) == {
        "jwtauthz.outcome": "allowed",
        "jwtauthz.issuer": issuer.url,
    }


def test_a_span_is_told_why_a_request_is_refused(server, issuer):
    assert attributes_after(lambda: status(server, "Bearer x")) == {
        "jwtauthz.outcome": "denied",
        "jwtauthz.finding": "opaque_token",
    }
    header = f"Bearer {issuer.token()}"
    assert attributes_after(lambda: status(server, header)) == {
        "jwtauthz.outcome": "denied",
        "jwtauthz.finding": "scope_missing",
        "jwtauthz.issuer": issuer.url,
    }


def test_a_shadow_denial_leaves_the_outcome_to_the_decision(server, issuer):
    header = f"Bearer {issuer.token()}"
    assert attributes_after(lambda: status(server, header, shadow("read:users"))) == {
        "jwtauthz.outcome": "allowed",
        "jwtauthz.shadow_finding": "scope_missing",
        "jwtauthz.issuer": issuer.url,
    }


def test_the_subject_stands_in_a_span_only_by_a_word(make, provider, issuer):
    server = make(OpenTelemetryHook(meter_provider=provider, user_id=True))
    for token in (issuer.token(scope="read:users", subject="ada"), issuer.token(subject="ada")):
        assert attributes_after(lambda token=token: status(server, f"Bearer {token}"))["user.id"] == "ada"
    forged = issuer.forged_token(subject="ada")
    assert "user.id" not in attributes_after(lambda: status(server, f"Bearer {forged}"))


def test_async_decisions_find_their_own_spans(server, issuer):
    """Two tasks that wait for the same keys, each with a span of its own."""
    issuer.behave(behaviours.slow(0.1))
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")

    async def ask(scope: str) -> Mapping[str, Any]:
        with tracer.start_as_current_span(scope) as span, suppress(AccessDenied):
            await server.aauthorize(f"Bearer {issuer.token(scope=scope)}", "read:users")
        return span.attributes

    async def both() -> list[Mapping[str, Any]]:
        return await asyncio.gather(ask("read:users"), ask("other"))

    good, bad = asyncio.run(both())
    assert (good["jwtauthz.outcome"], bad["jwtauthz.outcome"]) == ("allowed", "denied")
    assert "jwtauthz.finding" not in good
