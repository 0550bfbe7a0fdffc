"""The pytest fixtures that come with jwtauthz: an issuer in memory and tokens that it signs.

pytest finds this file by itself once jwtauthz is installed. The fixtures open no socket::

    @pytest.fixture
    def client(jwtauthz_issuer):
        issuer = Issuer(jwtauthz_issuer.url, key_set=jwtauthz_issuer.key_set)
        return create_app(ResourceServer(issuer=issuer, audience=jwtauthz_issuer.audience)).test_client()

    def test_reading_users(client, jwtauthz_token):
        token = jwtauthz_token(scope="read:users")
        answer = client.get("/users", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .issuer import FakeIssuer


@pytest.fixture(scope="session")
def jwtauthz_issuer() -> FakeIssuer:
    """An issuer without a network, `https://issuer.test/`, one for the whole session.

    Build the resource server of your tests with its keys:
    `Issuer(jwtauthz_issuer.url, key_set=jwtauthz_issuer.key_set)`.
    """
    from .issuer import FakeIssuer

    return FakeIssuer(network=False)


@pytest.fixture(scope="session")
def jwtauthz_token(jwtauthz_issuer: FakeIssuer) -> Callable[..., str]:
    """Makes tokens with a real signature: `jwtauthz_token(scope="read:users", permissions=[...], **claims)`.

    It takes what `FakeIssuer.token` takes. The audience is `https://api.example.com` unless one is named.
    """
    return jwtauthz_issuer.token
