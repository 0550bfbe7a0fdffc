"""One set of instruments per registry, however many hooks are made for it: an app factory may run often."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary, ref

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Shared(Generic[T]):
    """Makes something for a place when it is first asked for, and gives it again as long as it lives.

    It holds neither the place nor what it made; whoever is registered at a place is kept alive by that.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Any, ref[T]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, place: Any) -> T:
        """What belongs to this place."""
        with self._lock:
            known = self._made.get(place)
            found = known() if known is not None else None
            if found is None:
                found = self._make(place)
                self._made[place] = ref(found)
            return found
