"""The hook for Prometheus; `docs/observability.md` has the table of its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwtauthz.errors import ConfigurationError

from ._shared import Shared
from .metrics import DURATIONS, METRICS, Kind, Watched

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
    from prometheus_client.core import GaugeMetricFamily
except ImportError as missing:  # the optional dependency is not there
    raise ImportError(
        f"PrometheusHook needs prometheus-client: install jwtauthz[prometheus] ({missing})"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jwtauthz.events import Event
    from jwtauthz.resource_server import ResourceServer

    from .metrics import Metric

__all__ = ["PrometheusHook"]


class PrometheusHook:
    """Counts decisions and fetches for Prometheus, and shows how the keys are.

    `ResourceServer(..., hooks=[PrometheusHook()])`; several servers may share one, and several hooks for one
    registry share their metrics. In multiprocess mode (`PROMETHEUS_MULTIPROC_DIR`) there are counters and the
    histogram only: a gauge is looked up in the process that is asked.

    Args:
        registry: where the metrics go; by default prometheus_client's own.

    Raises:
        ConfigurationError: `registry` is none.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        if registry is not None and not isinstance(registry, CollectorRegistry):
            raise ConfigurationError(
                f"registry={registry!r} is no registry. Write PrometheusHook(), or "
                "PrometheusHook(prometheus_client.CollectorRegistry())."
            )
        self._instruments = _instruments(REGISTRY if registry is None else registry)

    def watch(self, server: ResourceServer) -> None:
        """Called by each server that this is a hook of."""
        self._instruments.watched.add(server)

    def __call__(self, event: Event) -> None:
        """Count an event."""
        self._instruments.record(event)


class _Instruments:
    """The metrics in one registry; as a collector it gives those that are looked up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.watched = Watched()
        self._counters = {
            metric: Counter(prometheus_name(metric), metric.help, metric.labels, registry=registry)
            for metric in METRICS
            if metric.kind is Kind.COUNTER
        }
        self._histograms = {
            metric: Histogram(
                prometheus_name(metric), metric.help, metric.labels, registry=registry, buckets=DURATIONS
            )
            for metric in METRICS
            if metric.kind is Kind.HISTOGRAM
        }
        # Finding a series takes longer than adding to it. There are few, since labels are of closed sets.
        self._adders: dict[tuple[str, tuple[str, ...]], Callable[[float], None]] = {}
        registry.register(self)

    def record(self, event: Event) -> None:
        """Add what an event has to say."""
        for metric, labels, value in self.watched.measured(event):
            add = self._adders.get((metric.name, labels))
            if add is None:
                add = self._adders[metric.name, labels] = self._adder(metric, labels)
            add(value)

    def _adder(self, metric: Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
        if metric.kind is Kind.COUNTER:
            return self._counters[metric].labels(*labels).inc
        return self._histograms[metric].labels(*labels).observe

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The gauges without values, for the registry to know their names."""
        return (_family(metric) for metric in METRICS if metric.kind is Kind.GAUGE)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as they are now."""
        for metric in METRICS:
            if metric.kind is Kind.GAUGE:
                family = _family(metric)
                for _, labels, value in self.watched.observed(metric):
                    family.add_metric(labels, value)
                yield family


_instruments = Shared(_Instruments)


def prometheus_name(metric: Metric) -> str:
    """The name of a metric by the rules by which OpenTelemetry exports to Prometheus."""
    unit = "_seconds" if metric.unit == "s" else ""
    total = "_total" if metric.kind is Kind.COUNTER else ""
    return metric.name.replace(".", "_") + unit + total


def _family(metric: Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(prometheus_name(metric), metric.help, labels=metric.labels)
