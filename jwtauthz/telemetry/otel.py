"""The hook for OpenTelemetry: metrics, and attributes of the span of the request.

It needs the API only; which SDK it goes to, if any, is up to the application. `docs/observability.md` has the
table of its metrics and attributes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from jwtauthz.errors import ConfigurationError
from jwtauthz.events import Allowed, Denied

from ._shared import Shared
from .metrics import DURATIONS, METRICS, Kind, Watched

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import MeterProvider, Observation
except ImportError as missing:  # the optional dependency is not there
    raise ImportError(f"OpenTelemetryHook needs opentelemetry-api: install jwtauthz[otel] ({missing})") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.metrics import CallbackOptions

    from jwtauthz.events import Event
    from jwtauthz.resource_server import ResourceServer

    from .metrics import Metric

__all__ = ["OpenTelemetryHook"]

# The attribute that stands for a label; those without our name in front are of the semantic conventions.
ATTRIBUTES: Final = {
    "outcome": "jwtauthz.outcome",
    "status": "http.response.status_code",
    "finding": "error.type",
    "failure": "error.type",
    "issuer": "jwtauthz.issuer",
    "state": "jwtauthz.key_set.state",
}


class OpenTelemetryHook:
    """Counts decisions and fetches for OpenTelemetry, and tells the span of a request what was decided.

    `ResourceServer(..., hooks=[OpenTelemetryHook()])`; several servers may share one, and several hooks for one
    provider share their metrics. It may be built before the SDK is set up.

    Args:
        meter_provider: where the metrics go; by default the global one.
        user_id: whether spans get `user.id`, the subject of a token that is let in or that grants too little.
            It is data about a person, so it is off.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    def __init__(self, *, meter_provider: MeterProvider | None = None, user_id: bool = False) -> None:
        if meter_provider is not None and not isinstance(meter_provider, MeterProvider):
            raise ConfigurationError(
                f"meter_provider={meter_provider!r} is none. Leave it out for the global one, or write "
                "OpenTelemetryHook(meter_provider=MeterProvider(...))."
            )
        if not isinstance(user_id, bool):
            raise ConfigurationError(f"user_id={user_id!r}: write True or False.")
        self._user_id = user_id
        self._instruments = _instruments(
            metrics.get_meter_provider() if meter_provider is None else meter_provider
        )

    def watch(self, server: ResourceServer) -> None:
        """Called by each server that this is a hook of."""
        self._instruments.watched.add(server)

    def __call__(self, event: Event) -> None:
        """Count an event, and write a decision to the current span."""
        self._instruments.record(event)
        if isinstance(event, Allowed | Denied):
            span = trace.get_current_span()
            if span.is_recording():
                span.set_attributes(self._span_attributes(event))

    def _span_attributes(self, event: Allowed | Denied) -> dict[str, str]:
        if isinstance(event, Allowed):
            token, attributes = event.token, {"jwtauthz.outcome": "allowed"}
        else:
            token, finding = event.denied.token, str(event.denied.finding.code)
            if not event.enforced:
                return {"jwtauthz.shadow_finding": finding}
            attributes = {"jwtauthz.outcome": "denied", "jwtauthz.finding": finding}
        if token is not None:
            attributes["jwtauthz.issuer"] = token.issuer
            if self._user_id and token.subject is not None:
                attributes["user.id"] = token.subject
        return attributes


class _Instruments:
    """The metrics of one provider."""

    def __init__(self, provider: MeterProvider) -> None:
        self.watched = Watched()
        meter = provider.get_meter("jwtauthz")
        self._counters = {}
        self._histograms = {}
        for metric in METRICS:
            if metric.kind is Kind.COUNTER:
                self._counters[metric.name] = meter.create_counter(metric.name, metric.unit, metric.help)
            elif metric.kind is Kind.HISTOGRAM:
                self._histograms[metric.name] = meter.create_histogram(
                    metric.name, metric.unit, metric.help, explicit_bucket_boundaries_advisory=DURATIONS
                )
            else:
                meter.create_observable_gauge(metric.name, [self._observer(metric)], metric.unit, metric.help)

    def record(self, event: Event) -> None:
        """Add what an event has to say."""
        for metric, labels, value in self.watched.measured(event):
            attributes = attributes_of(metric, labels)
            if metric.kind is Kind.COUNTER:
                self._counters[metric.name].add(value, attributes)
            else:
                self._histograms[metric.name].record(value, attributes)

    def _observer(self, metric: Metric) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(_: CallbackOptions) -> Iterator[Observation]:
            for measure in self.watched.observed(metric):
                yield Observation(measure.value, attributes_of(metric, measure.labels))

        return observe


_instruments = Shared(_Instruments)


@lru_cache(maxsize=1024)
def attributes_of(metric: Metric, labels: tuple[str, ...]) -> Mapping[str, str | int]:
    """Labels as attributes; one that says nothing is left out."""
    return {
        ATTRIBUTES[name]: int(value) if name == "status" else value
        for name, value in zip(metric.labels, labels, strict=True)
        if value
    }
