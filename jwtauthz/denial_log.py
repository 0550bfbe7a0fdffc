"""One log record per denial, and no more of them than a disk can bear."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .errors import AccessDenied, Code

logger = logging.getLogger("jwtauthz")

# Per finding code: this many records at once, then one for each period, with the number of those left out.
BURST: Final = 20
PERIOD: Final = 1.0


class DenialLog:
    """Logs denials to the logger `jwtauthz`: the cause and the cure in one line, the rest in `extra`.

    Levels: INFO for a request without credentials, ERROR for a 503, WARNING for all others. Each finding code
    has a budget of its own, 20 records and one more each second, so that a flood of one kind hides no other.
    The record carries `status`, `finding`, `hint`, `more` (where the documentation tells more), `required`,
    `suppressed` and `enforced` as attributes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._budgets: dict[Code, _Budget] = {}

    def tell(self, denied: AccessDenied, now: float, *, enforced: bool = True) -> None:
        """Log one denial, unless its kind has used up its budget.

        Args:
            denied: the denial.
            now: seconds, for the budget.
            enforced: whether the request was really refused, and not only by a shadow policy.
        """
        level = _level(denied)
        if not logger.isEnabledFor(level):
            return
        code = denied.finding.code
        with self._lock:
            budget = self._budgets.get(code)
            if budget is None:
                budget = self._budgets[code] = _Budget(now)
            suppressed = budget.spend(now)
        if suppressed is None:
            return
        more = f" ({suppressed:,} more denials of this kind were not logged)" if suppressed else ""
        logger.log(
            level,
            "denied %d %s%s" if enforced else "shadow policy: would be denied %d %s%s",
            denied.status,
            denied,
            more,
            extra={
                "status": denied.status,
                "finding": str(code),
                "hint": denied.finding.hint,
                "more": denied.finding.anchor,
                "required": denied.required,
                "suppressed": suppressed,
                "enforced": enforced,
            },
        )


class _Budget:
    """A token bucket that counts what it refused."""

    __slots__ = ("_at", "_left", "_suppressed")

    def __init__(self, now: float) -> None:
        self._at = now
        self._left = float(BURST)
        self._suppressed = 0

    def spend(self, now: float) -> int | None:
        """None to keep silent; else how often it was kept silent since the last time."""
        # A wall clock may be set back: then nothing refills, and nothing breaks.
        self._left = min(float(BURST), self._left + max(0.0, now - self._at) / PERIOD)
        self._at = now
        if self._left < 1:
            self._suppressed += 1
            return None
        self._left -= 1
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed


def _level(denied: AccessDenied) -> int:
    if denied.status == 503:
        return logging.ERROR
    return logging.WARNING if denied.error else logging.INFO
