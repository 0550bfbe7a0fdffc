"""docs/observability.md: its blocks run, and its tables are those of the code."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import prometheus_client
import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.testclient import TestClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import jwtauthz.fastapi
from jwtauthz import AccessDenied, Code, ResourceServer, events
from jwtauthz.errors import ANSWERS
from jwtauthz.events import FailureKind
from jwtauthz.telemetry import PrometheusHook
from jwtauthz.telemetry.metrics import FETCH_OUTCOMES, METRICS, OUTCOMES, STATES
from jwtauthz.telemetry.otel import ATTRIBUTES
from jwtauthz.telemetry.prometheus import prometheus_name

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "observability.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(autouse=True)
def quiet_root() -> Iterator[None]:
    """What blocks do to logging is undone."""
    ours, root = logging.getLogger("jwtauthz"), logging.getLogger()
    before = [(logger, list(logger.handlers), logger.level) for logger in (ours, root)]
    yield
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)


def run(words: str, url: str) -> dict[str, Any]:
    [block] = [block for block in BLOCKS if words in block]
    names: dict[str, Any] = {"__name__": "docs"}
    exec(compile(block.replace("https://tenant.eu.auth0.com/", url), "observability.md", "exec"), names)
    return names


def deny(server: ResourceServer, header: str | None) -> AccessDenied:
    with pytest.raises(AccessDenied) as caught:
        server.authorize(header, "read:users")
    return caught.value


def table(heading: str) -> list[list[str]]:
    """The cells of the table that begins with this heading row."""
    rows = TEXT.partition(f"\n{heading}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def names(cell: str) -> list[str]:
    return re.findall(r"`(.+?)`", cell)


def test_no_block_is_left_out():
    assert len(BLOCKS) == 9


def test_prometheus(issuer):
    made = run("PrometheusHook", issuer.url)
    deny(made["server"], "Bearer")
    started = []
    body = b"".join(
        made["metrics"]({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *answer: started.append(answer))
    )
    assert started[0][0].startswith("200")
    assert b'jwtauthz_decisions_total{finding="malformed_credentials"' in body


def test_multiprocess(issuer, tmp_path, monkeypatch):
    made = run("MultiProcessCollector", issuer.url)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    started = []
    made["metrics"]({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *answer: started.append(answer))
    assert started[0][0].startswith("200")


def test_opentelemetry(issuer):
    server = run("OpenTelemetryHook", issuer.url)["server"]
    assert server.authorize(f"Bearer {issuer.token(scope='a')}", "a").subject == "user-1"


@pytest.mark.parametrize("door", ["flask", "starlette", "fastapi"])
def test_health(door, issuer):
    made = run(f"jwtauthz.{door} import", issuer.url)
    made["server"].warm_up()
    if door == "flask":
        answer = made["app"].test_client().get("/health")
        assert (answer.status_code, answer.json) == (200, {"ready": True})
    else:
        found = TestClient(made["app"]).get("/health")
        assert (found.status_code, found.json()) == (200, {"ready": True})


def test_health_stands_outside_of_the_dependencies_of_a_fastapi_app(issuer):
    with ResourceServer(issuer.url, issuer.audience) as server:
        server.warm_up()
        authz = jwtauthz.fastapi.JWTAuthz(server)
        app = FastAPI(dependencies=[authz.requires("a")])
        authz.init_app(app)
        app.add_route("/health", jwtauthz.fastapi.health_endpoint(server))

        @app.get("/other")
        async def other() -> dict[str, str]:
            return {}

        assert TestClient(app).get("/health").status_code == 200
        assert TestClient(app).get("/other").status_code == 401


def test_logging_of_the_standard_library(issuer, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # basicConfig does nothing where there are some
    run("basicConfig", issuer.url)
    [handler] = logging.getLogger().handlers
    record = logging.makeLogRecord({"levelname": "INFO", "name": "jwtauthz", "msg": "denied"})
    assert handler.format(record).endswith("INFO jwtauthz denied")


def test_structlog(issuer, capsys):
    handler = run("structlog", issuer.url)["handler"]
    handler.setStream(__import__("sys").stderr)  # the one that pytest reads from now
    deny(ResourceServer(issuer.url, issuer.audience), "Bearer x")
    told = json.loads(capsys.readouterr().err)
    assert (told["status"], told["finding"], told["level"]) == (401, "opaque_token", "warning")


def test_events(issuer, capsys):
    server = run("def tell", issuer.url)["server"]
    deny(server, f"Bearer {issuer.token(subject='ada')}")
    assert capsys.readouterr().out == "ada: scope_missing\n"


def test_the_table_of_metrics_is_that_of_the_code():
    told = table("| Prometheus | OpenTelemetry | kind | labels | what |")
    assert told == [
        [
            f"`{prometheus_name(metric)}`",
            f"`{metric.name}`",
            metric.kind.value,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help,
        ]
        for metric in METRICS
    ]


def test_the_table_of_labels_is_that_of_the_code():
    told = {
        names(label)[0]: (names(attribute)[0], names(values))
        for label, attribute, values in table("| label | OpenTelemetry attribute | values |")
    }
    assert {label: attribute for label, (attribute, _) in told.items()} == ATTRIBUTES
    assert told["outcome"][1] == [*OUTCOMES, *FETCH_OUTCOMES]
    assert set(told["status"][1]) - {"allowed"} == {str(answer.status) for answer in ANSWERS.values()}
    assert told["failure"][1][:-1] == list(map(str, FailureKind))
    assert told["state"][1] == list(STATES)


def test_the_table_of_events_is_that_of_the_code():
    told = {names(event)[0]: names(of) for event, of, _ in table("| event | fields | when |")}
    kinds = [events.Allowed, events.Denied, *get_args(events.KeyEvent), *get_args(events.FleetEvent)]
    assert told == {kind.__name__: [field.name for field in fields(kind)] for kind in kinds}


def test_the_span_attributes_are_those_of_the_code():
    source = (Path(events.__file__).parent / "telemetry" / "otel.py").read_text()
    told = {names(attribute)[0] for attribute, _ in table("| span attribute | what it says |")}
    written = set(re.findall(r'"((?:jwtauthz|user)\.[a-z_]+)"', source.partition("class OpenTelemetryHook")[2]))
    assert told == written


def test_alerts_ask_for_what_there_is():
    asked = set(re.findall(r"jwtauthz_\w+", TEXT))
    exported = {prometheus_name(metric) for metric in METRICS}
    assert asked <= exported
    for label, value in re.findall(r'(\w+)=~?"([^"]+)"', "".join(re.findall(r"expr: .+", TEXT))):
        known = {"finding": set(map(str, Code)), "state": set(STATES), "outcome": {*OUTCOMES, *FETCH_OUTCOMES}}
        known["status"] = {str(answer.status) for answer in ANSWERS.values()}
        assert set(value.split("|")) <= known[label]


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (DOCS / target).exists(), target


@pytest.mark.parametrize("framework", ["Flask", "Starlette, FastAPI"])
def test_metrics_are_served_as_the_table_says(framework, issuer):
    registry = prometheus_client.CollectorRegistry()
    server = issuer.server(hooks=[PrometheusHook(registry)])
    [[_, how]] = [row for row in table("| where | how `/metrics` is served |") if row[0] == framework]
    app = Flask("docs") if framework == "Flask" else FastAPI()
    names = {
        "app": app,
        "DispatcherMiddleware": DispatcherMiddleware,
        "make_wsgi_app": lambda: prometheus_client.make_wsgi_app(registry),
        "make_asgi_app": lambda: prometheus_client.make_asgi_app(registry),
    }
    exec(re.findall(r"`([^`]+)`", how)[0], names)
    deny(server, None)
    client = app.test_client() if isinstance(app, Flask) else TestClient(app)
    assert 'finding="no_credentials"' in client.get("/metrics").text
