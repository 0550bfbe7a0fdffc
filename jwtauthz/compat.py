"""For people who come from Express: `jwtAuthz(...)` of express-jwt-authz as a requirement.

@app.get("/users")
@requires(jwt_authz(["read:users", "admin"], custom_scope_key="permissions"))
def users(): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .errors import ConfigurationError
from .policy import all_of, any_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .policy import Requirement

__all__ = ["jwt_authz"]

_NOT_GIVEN: Final = object()


def jwt_authz(
    expected_scopes: Sequence[str],
    *,
    check_all_scopes: bool = False,
    custom_scope_key: str = "scope",
    fail_with_error: object = _NOT_GIVEN,
    custom_user_key: object = _NOT_GIVEN,
) -> Requirement:
    """What express-jwt-authz asks for: ANY ONE of the scopes is enough, unless `check_all_scopes` is true.

    Everywhere else in this library several scopes mean all of them: `requires("a", "b")` is
    `jwt_authz(["a", "b"], check_all_scopes=True)`, and `requires(any_of("a", "b"))` is `jwt_authz(["a", "b"])`.

    Differences, all on the safe side: an empty list is refused here and lets everybody in there, who has no
    token gets a 401 and not a 403, and a scope that is empty or holds a space can't be asked for.

    Args:
        expected_scopes: the scopes, as a list.
        check_all_scopes: whether all of them are needed.
        custom_scope_key: the claim that holds the scopes: one literal key, in which dots mean nothing. Only this
            claim is read, whatever `scopes_from` the issuer has.
        fail_with_error: has no meaning here and is refused.
        custom_user_key: has no meaning here and is refused.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """
    if fail_with_error is not _NOT_GIVEN:
        raise ConfigurationError(
            "fail_with_error has no meaning here: a denial always is an exception, AccessDenied, which knows its "
            "answer. Leave it out, and register an error handler for AccessDenied to answer in another way."
        )
    if custom_user_key is not _NOT_GIVEN:
        raise ConfigurationError(
            "custom_user_key has no meaning here: the claims stand in one place only, in the verified token, and "
            "no middleware can put others there. Leave it out."
        )
    if not isinstance(check_all_scopes, bool):
        raise ConfigurationError(
            f"check_all_scopes={check_all_scopes!r} is neither True nor False. Write check_all_scopes=True."
        )
    key: object = custom_scope_key
    if not isinstance(key, str) or not key:
        raise ConfigurationError(
            f"custom_scope_key={key!r} names no claim. Write custom_scope_key='permissions'; "
            "for a path into nested claims write requires(any_of(..., claim=('realm_access', 'roles')))."
        )
    combine = all_of if check_all_scopes else any_of
    return combine(*dict.fromkeys(_scopes(expected_scopes)), claim=key)


def _scopes(expected: object) -> Sequence[str]:
    if not isinstance(expected, (list, tuple)):
        raise ConfigurationError(f"jwt_authz({expected!r}) takes a list. Write jwt_authz(['read:users']).")
    if not expected:
        raise ConfigurationError(
            "jwt_authz([]) asks for nothing; in Express it lets every request in, even one without a token. "
            "Name a scope, or write requires(authenticated()) for any valid token."
        )
    for scope in expected:
        if not isinstance(scope, str):
            raise ConfigurationError(
                f"jwt_authz(): {scope!r} is no scope. Write the scopes as strings: jwt_authz(['read:users'])."
            )
    return expected
