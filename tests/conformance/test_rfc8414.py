"""RFC 8414 and OpenID Connect Discovery: from an issuer to its keys."""

from __future__ import annotations

import datetime as dt
import json
import ssl

import httpx
import pytest

from jwtauthz import ConfigurationError, Issuer, KeySetUnavailable, RemoteKeySet, ResourceServer
from jwtauthz.keys.discovery import jwks_uri
from jwtauthz.keys.fetch import FetchFailed

from .origin import Origin, Reply
from .tools import AUDIENCE, judge, line, row

OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


def judged(es_mint, origin, clock, *, path: str = ""):
    """What becomes of a good token whose issuer is at this origin, under this path."""
    url = origin.url + path
    with ResourceServer(Issuer(url, algorithms="ES256"), AUDIENCE, clock=clock) as server:
        return judge(server, es_mint.token(iss=url))


def metadata(origin, path: str = "", **members) -> Reply:
    return Reply({"issuer": origin.url + path, "jwks_uri": f"{origin.url}/keys", **members})


@pytest.fixture
def origin(es_mint):
    """Serves the keys of `es_mint`; the metadata are the test's."""
    with Origin({"/keys": Reply(es_mint.jwks())}) as origin:
        yield origin


class TestWhere:
    @pytest.mark.parametrize(
        ("issuer", "place"),
        [
            row("R8414-01", "an issuer without a path has its metadata at the root", "", OAUTH),
            row("R8414-01", "a slash makes no difference to where they are", "/", OAUTH),
            row("R8414-01", "the suffix goes between host and path", "/tenant/a", f"{OAUTH}/tenant/a"),
            row("R8414-01", "a slash after the path is dropped", "/tenant/a/", f"{OAUTH}/tenant/a"),
            row("R8414-02", "OpenID metadata of an issuer without a path are at the root", "", OPENID),
            row("R8414-02", "the other suffix goes after the path", "/tenant/a", f"/tenant/a{OPENID}"),
            row("R8414-02", "a slash after the path is not doubled", "/tenant/a/", f"/tenant/a{OPENID}"),
        ],
    )
    def test_the_metadata_are(self, es_mint, origin, clock, issuer, place):
        origin.replies[place] = metadata(origin, issuer)
        assert judged(es_mint, origin, clock, path=issuer)

    @line("R8414-03", "all is fetched with GET")
    def test_method(self, es_mint, origin, clock):
        origin.replies[OAUTH] = metadata(origin)
        assert judged(es_mint, origin, clock)
        assert {asked.method for asked in origin.asked} == {"GET"}
        assert origin.paths()[-2:] == [OAUTH, "/keys"]


class TestTheDocument:
    @pytest.mark.parametrize(
        ("status", "body"),
        [
            row("R8414-04", "a 404 gives no metadata", 404, ...),
            row("R8414-04", "a 500 gives none", 500, ...),
            row("R8414-04", "a 203 gives none", 203, ...),
            row("R8414-04", "a redirect gives none", 302, ...),
            row("R8414-04", "a list is none", 200, []),
            row("R8414-04", "null is none", 200, None),
            row("R8414-04", "a page of HTML is none", 200, b"<html>{}</html>"),
            row("R8414-04", "nothing is none", 200, b""),
        ],
    )
    def test_that_is_none(self, es_mint, origin, clock, status, body):
        good = metadata(origin)
        reply = Reply(good.body if body is ... else body, status, {"Location": f"{origin.url}/elsewhere"})
        origin.replies |= {"/elsewhere": good, OPENID: reply, OAUTH: reply}
        assert judged(es_mint, origin, clock).status == 503
        assert not {"/keys", "/elsewhere"} & set(origin.paths())

    @pytest.mark.parametrize(
        "issuer",
        [
            row("R8414-05", "metadata of another issuer are not used", "https://other.test"),
            row("R8414-05", "metadata of no issuer are not used", ...),
            row("R8414-05", "metadata of a null issuer are not used", None),
            row("R8414-05", "metadata of a list of issuers are not used", "list"),
            row("R8414-07", "a slash more makes another issuer", "slash"),
            row("R8414-07", "capitals make another issuer", "capitals"),
            row("R8414-07", "a name for the same address makes another issuer", "localhost"),
            row("R8414-07", "percent encoding makes another issuer", "percent"),
        ],
    )
    def test_of_another_issuer(self, es_mint, origin, clock, issuer):
        url = f"{origin.url}/tenant"
        named = {
            "list": [url],
            "slash": f"{url}/",
            "capitals": url.replace("tenant", "Tenant"),
            "localhost": url.replace("127.0.0.1", "localhost"),
            "percent": url.replace("tenant", "%74enant"),
        }.get(issuer if isinstance(issuer, str) else "", issuer)
        reply = metadata(origin, "/tenant", issuer=named)
        if issuer is ...:
            del reply.body["issuer"]
        origin.replies |= {f"/tenant{OPENID}": reply, f"{OAUTH}/tenant": reply}
        assert judged(es_mint, origin, clock, path="/tenant").status == 503
        assert "/keys" not in origin.paths()

    @pytest.mark.parametrize(
        ("uri", "good"),
        [
            row("R8414-06", "keys over https are taken", "https://issuer.test/keys", True),
            row("R8414-06", "keys on another host over https too", "https://keys.example.com/k?v=1", True),
            row("R8414-06", "keys over http are not", "http://issuer.test/keys", False),
            row("R8414-06", "keys over file are not", "file:///etc/keys.json", False),
            row("R8414-06", "keys over data are not", "data:application/json,{}", False),
            row("R8414-06", "a path alone is no place", "/keys", False),
            row("R8414-06", "a missing place is none", ..., False),
            row("R8414-06", "a place that is a list is none", ["https://issuer.test/keys"], False),
            row("R8414-06", "a place with a password is none", "https://user:pass@issuer.test/keys", False),
            row(
                "R8414-06",
                "this very machine is no place for keys of an issuer elsewhere",
                "https://127.0.0.1/keys",
                False,
            ),
            row("R8414-06", "nor over http", "http://localhost/keys", False),
        ],
    )
    def test_place_of_the_keys(self, uri, good):
        document = {"issuer": "https://issuer.test", "jwks_uri": uri}
        if uri is ...:
            del document["jwks_uri"]
        body, where = json.dumps(document).encode(), f"https://issuer.test{OPENID}"
        if good:
            assert jwks_uri(body, "https://issuer.test", where) == uri
            return
        with pytest.raises(FetchFailed):
            jwks_uri(body, "https://issuer.test", where)

    @pytest.mark.parametrize(
        "url",
        [
            row("R8414-06", "an issuer over http can't be set", "http://issuer.test/"),
            row("R8414-06", "nor an issuer without a scheme", "issuer.test"),
        ],
    )
    def test_issuer_that_cannot_be_set(self, url):
        with pytest.raises(ConfigurationError, match="https"):
            Issuer(url)


class TestTrust:
    @line("R8414-08", "keys of a server whose certificate nobody vouches for are not taken")
    def test_certificate(self, es_mint, tmp_path):
        certificate = self_signed(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        trusting = ssl.create_default_context(cafile=certificate)
        with Origin({"/keys": Reply(es_mint.jwks())}, tls=context) as origin:
            keys = RemoteKeySet(f"{origin.url}/keys")
            with pytest.raises(KeySetUnavailable):
                keys.warm_up()
            assert not keys.ready
            assert origin.asked == []
            # The certificate is all that was wrong.
            keys = RemoteKeySet(
                f"{origin.url}/keys", client=lambda: httpx.Client(verify=trusting, trust_env=False)
            )
            keys.warm_up()
            assert keys.ready

    @line("R8414-10", "an issuer that only a token names is not asked for anything")
    def test_issuer_of_a_token(self, mint, es_mint, origin, clock):
        origin.replies[OPENID] = metadata(origin)
        server = ResourceServer(Issuer(mint.url, key_set=mint.key_set), AUDIENCE, clock=clock)
        verdict = judge(server, es_mint.token(iss=origin.url))
        assert verdict.code == "wrong_issuer"
        assert origin.asked == []


def self_signed(directory) -> str:
    """A certificate for 127.0.0.1 and its key, in one file."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(path)
