"""What is counted and measured, and under which labels: one table, whichever system it goes to.

Every label comes from a closed set: of this library's words, or of the issuers that the application trusts.
Nothing that a client sends becomes a label.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import ref

from jwtauthz.errors import ConfigurationError
from jwtauthz.events import Allowed, Denied, KeyDropped, KeysFetched, KeysFetchFailed, KeysRotated
from jwtauthz.health import key_set_health
from jwtauthz.keys.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jwtauthz.events import Event
    from jwtauthz.resource_server import ResourceServer

logger = logging.getLogger("jwtauthz")


class Kind(Enum):
    """How a metric behaves."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"  # looked up when somebody asks


class Metric(NamedTuple):
    """One metric: its OpenTelemetry name, UCUM unit, and the names of its labels."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...]


class Measure(NamedTuple):
    """One thing to be recorded; `labels` are the values of the metric's labels, in order, "" for none."""

    metric: Metric
    labels: tuple[str, ...]
    value: float = 1


DECISIONS: Final = Metric(
    "jwtauthz.decisions",
    Kind.COUNTER,
    "{decision}",
    "Requests let in and refused, and those that a shadow policy would refuse.",
    ("outcome", "status", "finding", "issuer"),
)
DECISION_DURATION: Final = Metric(
    "jwtauthz.decision.duration",
    Kind.HISTOGRAM,
    "s",
    "How long a decision took, waiting for keys included.",
    ("outcome",),
)
FETCHES: Final = Metric(
    "jwtauthz.key_set.fetches",
    Kind.COUNTER,
    "{fetch}",
    "Fetches of keys: those that brought some, confirmed those at hand, came of the fleet (shared), or failed.",
    ("outcome", "failure", "issuer"),
)
ROTATIONS: Final = Metric(
    "jwtauthz.key_set.rotations", Kind.COUNTER, "{rotation}", "Changes of the keys of an issuer.", ("issuer",)
)
SECRETS: Final = Metric(
    "jwtauthz.key_set.published_secrets",
    Kind.COUNTER,
    "{key}",
    "Private or symmetric keys that an issuer has published: an alarm.",
    ("issuer",),
)
STATE: Final = Metric(
    "jwtauthz.key_set.state",
    Kind.GAUGE,
    "1",
    "1 for the state that the keys of an issuer are in, 0 for the others.",
    ("state", "issuer"),
)
KEYS: Final = Metric("jwtauthz.key_set.keys", Kind.GAUGE, "{key}", "Keys that can be used.", ("issuer",))
AGE: Final = Metric(
    "jwtauthz.key_set.age", Kind.GAUGE, "s", "Time since the keys at hand were asked for.", ("issuer",)
)
BUDGET: Final = Metric(
    "jwtauthz.key_set.unknown_key_budget",
    Kind.GAUGE,
    "{fetch}",
    "Fetches that unknown key IDs may cause now.",
    ("issuer",),
)

METRICS: Final = (
    DECISIONS,
    DECISION_DURATION,
    FETCHES,
    ROTATIONS,
    SECRETS,
    STATE,
    KEYS,
    AGE,
    BUDGET,
)
OUTCOMES: Final = ("allowed", "denied", "shadow_denied")
FETCH_OUTCOMES: Final = ("fetched", "confirmed", "shared", "failed")
STATES: Final = (*map(str, State), "static")
# From a good token of the cache to the longest wait for keys.
DURATIONS: Final = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 0.1, 0.5, 1.0, 5.0)


class Watched:
    """The servers that a hook belongs to: they say which issuers there are, and how their keys are.

    It keeps no server alive. Several servers may trust one issuer, each with a key set of its own; the gauges are
    of the one that was built last.
    """

    def __init__(self) -> None:
        self._servers: list[ref[ResourceServer]] = []
        self._issuers: frozenset[str] = frozenset()
        self._sources: dict[str, str] = {}

    def add(self, server: ResourceServer) -> None:
        """Watch one server more. Raises ConfigurationError if it is watched already."""
        alive = [known for known in self._servers if known() is not None]
        if any(known() is server for known in alive):
            raise ConfigurationError(
                "hooks: two of them count into the same registry, so all would be counted twice. Leave one out."
            )
        self._servers = [*alive, ref(server)]
        self._issuers |= {issuer.url for issuer in server.issuers}
        for issuer in server.issuers:
            source = getattr(issuer.key_set, "source", None)
            if isinstance(source, str):
                self._sources.setdefault(source, issuer.url)

    def measured(self, event: Event) -> Iterator[Measure]:
        """What an event adds to the metrics."""
        if isinstance(event, Allowed):
            issuer = "" if event.token is None else self._issuer(event.token.issuer)
            yield Measure(DECISIONS, ("allowed", "", "", issuer))
            yield Measure(DECISION_DURATION, ("allowed",), event.seconds)
        elif isinstance(event, Denied):
            yield from self._denied(event)
        elif isinstance(event, KeysFetched):
            outcome = "shared" if event.shared else "confirmed" if event.confirmed else "fetched"
            yield self._fetch(event.source, outcome)
        elif isinstance(event, KeysFetchFailed):
            yield self._fetch(event.source, "failed", str(event.kind))
        elif isinstance(event, KeysRotated):
            yield Measure(ROTATIONS, (self._source(event.source),))
        elif isinstance(event, KeyDropped):
            yield Measure(SECRETS, (self._source(event.source),))

    def observed(self, metric: Metric) -> Iterator[Measure]:
        """The values that a gauge has now."""
        for issuer, health in self._health().items():
            if metric is STATE:
                for state in STATES:
                    yield Measure(STATE, (state, issuer), float(state == health.get("state")))
            else:
                value = _VALUES[metric](health)
                if isinstance(value, int | float):
                    yield Measure(metric, (issuer,), value)

    def _denied(self, event: Denied) -> Iterator[Measure]:
        token, finding = event.denied.token, event.denied.finding
        outcome = "denied" if event.enforced else "shadow_denied"
        issuer = "" if token is None else self._issuer(token.issuer)
        yield Measure(DECISIONS, (outcome, str(finding.answer.status), str(finding.code), issuer))
        if event.seconds is not None:
            yield Measure(DECISION_DURATION, (outcome,), event.seconds)

    def _fetch(self, source: str, outcome: str, failure: str = "") -> Measure:
        return Measure(FETCHES, (outcome, failure, self._source(source)))

    def _issuer(self, url: str) -> str:
        return url if url in self._issuers else ""

    def _source(self, source: str) -> str:
        """The issuer of a key set; its own name, which the application gave, where no server told of it."""
        return self._sources.get(source, source)

    def _health(self) -> dict[str, dict[str, object]]:
        found = {}
        for server in filter(None, (known() for known in self._servers)):
            for issuer in server.issuers:
                try:
                    health = key_set_health(issuer.key_set)
                except Exception:
                    logger.exception("%s: its key set does not say how it is", issuer.url)
                    continue
                if health is not None:
                    found[issuer.url] = health
        return found


def _number_of_keys(health: Mapping[str, object]) -> object:
    keys = health.get("keys")
    return len(keys) if isinstance(keys, list) else None


_VALUES: Final[Mapping[Metric, Callable[[Mapping[str, object]], object]]] = {
    KEYS: _number_of_keys,
    AGE: lambda health: health.get("age"),
    BUDGET: lambda health: health.get("unknown_key_budget"),
}
