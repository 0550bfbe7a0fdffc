"""The types of what the pytest fixtures give, to write into the signatures of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import EllipsisType

T_co = TypeVar("T_co", covariant=True)


class _Factory(Protocol[T_co]):
    """Makes tokens with a real signature; see `FakeIssuer.token` for what can be asked for."""

    def __call__(
        self,
        *,
        audience: str | Sequence[str] | None = None,
        subject: str | None = "user-1",
        scope: str | None = None,
        permissions: Sequence[str] | None = None,
        expires_in: float = 600,
        headers: Mapping[str, Any] | None = None,
        kid: str | EllipsisType | None = ...,
        **claims: Any,
    ) -> T_co:
        """One token."""
        ...


TokenFactory: TypeAlias = _Factory[str]
HeadersFactory: TypeAlias = _Factory[dict[str, str]]
