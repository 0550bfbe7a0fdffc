"""Fleets that share a store, in simulated time: all processes side by side, since what one finds another takes.

What a process does is this library's own code, `Schedule` and `SharedSource`, seal included; issuer and store are
models. Their answers take no time, so nobody waits for a lease: what that does is measured by the tests.
"""

from __future__ import annotations

import heapq
import json
import math
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from jwtauthz.events import FailureKind
from jwtauthz.keys.fetch import Answer as HttpAnswer
from jwtauthz.keys.fetch import FetchFailed
from jwtauthz.keys.shared_document import Seal
from jwtauthz.keys.shared_source import Names, SharedSource
from jwtauthz.keys.source import Memory
from jwtauthz.keys.states import Arrived, Failed, Kind, Plan

from ._fleet import MINUTE, Process, Scenario, Tally
from ._policies import Jwtauthz, Published

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._policies import Fetch

NAMES = Names("budget", "lease", "document")
NOTHING = Published(frozenset())


class SimulatedStore:
    """A store whose values end by the simulated clock. `commands` counts them per second."""

    timeout = 0.1

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.commands: dict[int, int] = {}
        self._values: dict[str, tuple[bytes, float]] = {}

    def _get(self, key: str) -> tuple[bytes, float]:
        second = int(self.clock())
        self.commands[second] = self.commands.get(second, 0) + 1
        value, end = self._values.get(key, (b"", 0.0))
        return (value, end) if end > self.clock() else (b"", 0.0)

    def get(self, key: str, limit: int) -> bytes:
        return self._get(key)[0][:limit]

    def put(self, key: str, value: bytes, seconds: float) -> None:
        self._get(key)
        self._values[key] = (value, self.clock() + seconds)

    def take(self, key: str, value: bytes, seconds: float) -> float | None:
        there, end = self._get(key)
        if there:
            self._get(key)  # how long it will stay is another command
            return end - self.clock()
        self._values[key] = (value, self.clock() + seconds)
        return None

    def drop(self, key: str) -> None:
        self._get(key)
        self._values.pop(key, None)


class SimulatedOrigin:
    """What stands for a `Source`: the issuer of the simulation, which publishes key IDs."""

    timing = Jwtauthz.timing

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock

    def ask(self, plan: Plan, memory: Memory, within: float) -> tuple[HttpAnswer, Memory]:  # noqa: ARG002
        found = self._fetch(self._clock())
        if found is None and plan.may_retry:
            found = self._fetch(self._clock())
        if found is None:
            raise FetchFailed(FailureKind.CONNECTION, "it is down")
        return HttpAnswer(200, {}, json.dumps(sorted(found)).encode()), Memory("", as_of=self._clock())

    def take(self, answer: HttpAnswer, memory: Memory, keys: Published) -> tuple[Arrived, Memory]:
        digest = sha256(answer.body).digest()
        arrived = Arrived(self.read(answer.body, "", keys))  # type: ignore[arg-type]
        return arrived, Memory("", digest=digest, as_of=memory.as_of)

    @staticmethod
    def read(body: bytes, url: str, keys: Published) -> Published:  # noqa: ARG004
        return Published(frozenset((kid, "RS256") for kid in json.loads(body)))


class Alone(Jwtauthz):
    """Without a fleet."""

    name = "alone"
    sealed: ClassVar[bool | None] = None  # whether documents are shared; None: nothing is


class Member(Alone):
    """A process whose flights go through `SharedSource`."""

    name = "budget shared"
    sealed = False

    def join(self, world: World) -> None:
        origin: Any = SimulatedOrigin(self.fetch, world.clock)
        store: Any = world.store
        self._memory = Memory()
        self._source = SharedSource(
            origin, store, NAMES, world.seal, _no_alarm, wall=world.clock, clock=world.clock, sleep=_no_sleep
        )

    def _fly(self, plan: Plan, now: float) -> None:
        held: Any = self.schedule.snapshot.keys if self._memory.digest else NOTHING
        later: list[Callable[[], None]] = []
        result: Any
        try:
            result, self._memory = self._source.fetch(plan, self._memory, held, later)
        except FetchFailed:
            result = Failed()
        self.schedule.land(plan.number, result, now, self.chance.random())
        for act in later:
            act()
        if plan.kind is not Kind.REFRESH or isinstance(result, Failed):
            self._ended = now


class Sharing(Member):
    """The same with an integrity key."""

    name = "keys shared"
    sealed = True


MODES: tuple[type[Alone], ...] = (Alone, Member, Sharing)


@dataclass
class World:
    """What all processes of a fleet have in common: time, and a store."""

    mode: type[Alone]
    now: float = 0.0
    store: SimulatedStore = field(init=False)
    seal: Seal | None = field(init=False)

    def __post_init__(self) -> None:
        self.store = SimulatedStore(self.clock)
        self.seal = Seal(b"k" * 32, "issuer") if self.mode.sealed else None

    def clock(self) -> float:
        return self.now


def simulate_shared(
    mode: type[Alone], scenario: Scenario, processes: int, seed: int, *, start: float
) -> tuple[Tally, dict[int, int]]:
    """Run a fleet that starts within `start` seconds; gives its tally, and commands per second.

    The same seed gives the same result.
    """
    chance = Random(f"{seed}/{scenario.name}/{mode.name}/{processes}")
    tally, world = Tally(math.ceil(scenario.end / MINUTE)), World(mode)
    fleet = [Process(mode, scenario, tally, chance) for _ in range(processes)]
    for process in fleet:
        if isinstance(process.policy, Member):
            process.policy.join(world)
    begins = [chance.uniform(0, start) for _ in fleet]
    before: frozenset[str] = frozenset()
    for phase in scenario.phases:
        queue = []
        for index, process in enumerate(fleet):
            process.enter(phase, before)
            when, stream = process.upcoming(phase, max(begins[index], phase.begin))
            if stream is not None:
                queue.append((when, index, stream.kid))
        heapq.heapify(queue)
        while queue:
            world.now, index, kid = queue[0]
            fleet[index].look(kid, world.now)
            when, stream = fleet[index].upcoming(phase, world.now)
            if stream is None:
                heapq.heappop(queue)
            else:
                heapq.heapreplace(queue, (when, index, stream.kid))
        before = phase.published
    for process in fleet:
        process.conclude()
    return tally, world.store.commands


def _no_alarm(reason: str) -> None:
    raise AssertionError(reason)


def _no_sleep(seconds: float) -> None:
    raise AssertionError(seconds)
