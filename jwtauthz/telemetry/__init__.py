"""Hooks that count: for Prometheus (`jwtauthz[prometheus]`) and OpenTelemetry (`jwtauthz[otel]`).

    from jwtauthz.telemetry import PrometheusHook

    server = ResourceServer(issuer, audience, hooks=[PrometheusHook()])

Each is loaded when it is first named, so that either works without what the other one needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .otel import OpenTelemetryHook
    from .prometheus import PrometheusHook

__all__ = ["OpenTelemetryHook", "PrometheusHook"]


def __getattr__(name: str) -> Any:
    if name == "OpenTelemetryHook":
        from .otel import OpenTelemetryHook

        return OpenTelemetryHook
    if name == "PrometheusHook":
        from .prometheus import PrometheusHook

        return PrometheusHook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
