"""The API of the demo, once for each framework.

Two routes that differ only in the claim they read: `/users` reads `scope`, `/staff` reads `permissions`.
"""

from __future__ import annotations

from typing import Literal

Framework = Literal["fastapi", "flask", "starlette"]
