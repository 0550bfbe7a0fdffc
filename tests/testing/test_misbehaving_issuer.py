"""`MisbehavingIssuer` does what its behaviours are named for; a plain HTTP client sees it."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time

import httpx
import pytest
import trustme

from jwtauthz.errors import ConfigurationError
from jwtauthz.testing import FakeIssuer, MisbehavingIssuer, behaviours


@pytest.fixture
def issuer():
    """A well-behaved issuer of this test alone; an ES256 key is quickly made."""
    with MisbehavingIssuer(algorithm="ES256") as issuer:
        yield issuer


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


def get(issuer, *, timeout=0.3, path=None, **options):
    url = issuer.jwks_url if path is None else issuer.url.removesuffix("/") + path
    return httpx.get(url, timeout=timeout, trust_env=False, **options)


def server_context(ca, *names, **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names, **options).configure_cert(context)
    return context


class TestAnIssuer:
    def test_that_behaves_well_is_a_fake_issuer(self, issuer):
        assert isinstance(issuer, FakeIssuer)
        assert get(issuer).json() == issuer.jwks()
        assert get(issuer, path="/.well-known/openid-configuration").json()["jwks_uri"] == issuer.jwks_url

    def test_changes_its_behaviour_while_it_runs_and_gets_well_again(self, issuer):
        issuer.behave(behaviours.failing(500))
        assert get(issuer).status_code == 500
        issuer.behave(None)
        assert get(issuer).status_code == 200

    @pytest.mark.parametrize(
        ("at", "jwks", "metadata"),
        [("jwks", 503, 200), ("metadata", 200, 503), ("everywhere", 503, 503)],
    )
    def test_misbehaves_where_it_is_told_to(self, issuer, at, jwks, metadata):
        issuer.behave(behaviours.failing(), at=at)
        assert get(issuer).status_code == jwks
        assert get(issuer, path="/.well-known/openid-configuration").status_code == metadata

    def test_counts_connections_and_requests_and_remembers_headers(self, issuer):
        get(issuer, headers={"X-Word": "one"})
        get(issuer, path="/nothing")
        assert (issuer.connections, issuer.fetches(), issuer.requests) == (
            2,
            1,
            ("/.well-known/jwks.json", "/nothing"),
        )
        assert issuer.received[0]["x-word"] == "one"

    def test_takes_any_function_of_an_exchange_for_a_behaviour(self, issuer):
        issuer.behave(lambda exchange: exchange.reply(behaviours.Reply(299, {}, exchange.path.encode())))
        assert (get(issuer).status_code, get(issuer).text) == (299, "/.well-known/jwks.json")

    def test_that_stops_breaks_off_who_hangs_at_once(self, issuer):
        issuer.behave(behaviours.hanging())
        seen = []

        def ask():
            with pytest.raises(httpx.HTTPError) as caught:
                get(issuer, timeout=20)
            seen.append(caught.value)

        asking = threading.Thread(target=ask)
        asking.start()
        while not issuer.fetches():
            time.sleep(0.005)
        began = time.monotonic()
        issuer.stop()
        asking.join(5)
        assert not asking.is_alive()
        assert time.monotonic() - began < 2
        assert seen

    def test_keeps_its_port_through_all_of_it(self, issuer):
        url = issuer.url
        for behaviour in (behaviours.refusing(), behaviours.unreachable(), behaviours.hanging(), None):
            issuer.behave(behaviour)
            assert issuer.url == url
        assert get(issuer).status_code == 200

    def test_may_begin_with_its_port_closed(self):
        with MisbehavingIssuer(behaviours.refusing(), algorithm="ES256") as issuer:
            with pytest.raises(httpx.ConnectError):
                get(issuer)
            issuer.behave(None)
            assert get(issuer).status_code == 200

    def test_moves_its_jwks(self, issuer):
        old = issuer.jwks_url
        issuer.move_jwks("/elsewhere/keys")
        assert issuer.jwks_url != old
        assert httpx.get(old, trust_env=False).status_code == 404
        assert get(issuer).status_code == 200
        assert issuer.fetches() == 1


class TestConnections:
    @pytest.mark.parametrize(
        ("behaviour", "error"),
        [
            pytest.param(behaviours.refusing(), httpx.ConnectError, id="refusing"),
            pytest.param(behaviours.unreachable(), httpx.ConnectTimeout, id="unreachable"),
            pytest.param(behaviours.hanging(), httpx.ReadTimeout, id="hanging"),
            pytest.param(behaviours.resetting(), httpx.ReadError, id="resetting"),
            pytest.param(behaviours.cut_off(), httpx.RemoteProtocolError, id="cut off"),
            pytest.param(behaviours.cut_off(chunked=True), httpx.RemoteProtocolError, id="cut off, chunked"),
        ],
    )
    def test_fail_as_the_behaviour_is_named(self, issuer, behaviour, error):
        issuer.behave(behaviour)
        with pytest.raises(error):
            get(issuer)

    def test_slow_answers_well_but_late(self, issuer):
        issuer.behave(behaviours.slow(0.1))
        began = time.monotonic()
        assert get(issuer).json() == issuer.jwks()
        assert 0.1 <= time.monotonic() - began < 0.3

    @pytest.mark.parametrize("drip", [behaviours.dripping_body, behaviours.dripping_headers])
    def test_dripping_comes_whole_byte_by_byte_so_that_no_read_is_slow(self, issuer, drip):
        issuer.behave(drip(0.003))
        began = time.monotonic()
        assert get(issuer, timeout=0.3).json() == issuer.jwks()
        assert time.monotonic() - began > 0.6  # some 200 bytes at least

    def test_closing_kept_connections_resets_the_second_request_of_a_connection(self, issuer):
        issuer.behave(behaviours.closing_kept_connections())
        with httpx.Client(trust_env=False) as client:
            assert client.get(issuer.jwks_url).status_code == 200
            with pytest.raises(httpx.ReadError):
                client.get(issuer.jwks_url)
        assert issuer.connections == 1


class TestStatusAndHeaders:
    @pytest.mark.parametrize(
        ("behaviour", "status", "headers"),
        [
            pytest.param(behaviours.failing(502), 502, {}, id="failing"),
            pytest.param(behaviours.throttling(60), 429, {"retry-after": "60"}, id="throttling"),
            pytest.param(behaviours.throttling(None), 429, {}, id="throttling without a date"),
            pytest.param(behaviours.redirecting("file:///x"), 302, {"location": "file:///x"}, id="redirecting"),
            pytest.param(behaviours.not_modified(), 304, {}, id="not modified"),
            pytest.param(behaviours.empty(204), 204, {}, id="no content"),
            pytest.param(behaviours.with_headers({"Set-Cookie": "a=b"}), 200, {"set-cookie": "a=b"}, id="cookie"),
        ],
    )  # fmt: skip
    def test_are_as_told(self, issuer, behaviour, status, headers):
        issuer.behave(behaviour)
        answer = get(issuer)
        assert answer.status_code == status
        assert headers.items() <= dict(answer.headers).items()

    def test_redirecting_to_itself_is_a_loop(self, issuer):
        issuer.behave(behaviours.redirecting())
        with pytest.raises(httpx.TooManyRedirects):
            get(issuer, follow_redirects=True)


class TestBodies:
    def body(self, issuer, behaviour):
        issuer.behave(behaviour)
        answer = get(issuer, timeout=5)
        assert answer.status_code == 200
        return answer.content

    def test_html_is_a_page(self, issuer):
        assert self.body(issuer, behaviours.html()).startswith(b"<!doctype html>")

    def test_empty_is_empty(self, issuer):
        assert self.body(issuer, behaviours.empty()) == b""

    def test_truncated_is_half_a_document(self, issuer):
        whole = json.dumps(issuer.jwks()).encode()
        assert self.body(issuer, behaviours.truncated()) == whole[: len(whole) // 2]

    @pytest.mark.parametrize("behaviour", [behaviours.huge(300_000), behaviours.gzip_bomb(300_000)])
    def test_huge_and_gzip_bomb_hold_a_good_document_of_that_size(self, issuer, behaviour):
        body = self.body(issuer, behaviour)
        assert len(body) > 300_000
        assert json.loads(body) == issuer.jwks()

    def test_gzip_bomb_is_small_on_the_wire(self, issuer):
        issuer.behave(behaviours.gzip_bomb(1_000_000))
        with httpx.stream("GET", issuer.jwks_url, trust_env=False) as answer:
            assert len(b"".join(answer.iter_raw())) < 5_000

    def test_endless_goes_on_until_the_client_leaves(self, issuer):
        issuer.behave(behaviours.endless())
        received = 0
        with httpx.stream("GET", issuer.jwks_url, trust_env=False) as answer:
            for chunk in answer.iter_raw():
                received += len(chunk)
                if received > 1_000_000:
                    break
        assert "content-length" not in answer.headers

    def test_nested_is_too_deep_for_a_recursive_parser(self, issuer):
        with pytest.raises(RecursionError):
            json.loads(self.body(issuer, behaviours.nested()))

    @pytest.mark.parametrize("coding", ["br", "gzip"])
    def test_miscoded_names_a_coding_which_only_gzip_really_is(self, issuer, coding):
        issuer.behave(behaviours.miscoded(coding))
        with httpx.stream("GET", issuer.jwks_url, trust_env=False) as answer:
            body = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == coding
        assert json.loads(gzip.decompress(body) if coding == "gzip" else body) == issuer.jwks()


class TestDocuments:
    def keys(self, issuer, behaviour):
        issuer.behave(behaviour)
        return get(issuer).json()["keys"]

    def test_altered_replaces_and_removes_members(self, issuer):
        issuer.behave(behaviours.altered(issuer="https://other.example/", jwks_uri=None), at="metadata")
        metadata = get(issuer, path="/.well-known/oauth-authorization-server").json()
        assert metadata["issuer"] == "https://other.example/"
        assert "jwks_uri" not in metadata

    def test_publishing_puts_entries_before_the_keys_or_in_their_place(self, issuer):
        assert self.keys(issuer, behaviours.publishing(17)) == [17, *issuer.jwks()["keys"]]
        assert self.keys(issuer, behaviours.publishing({}, alone=True)) == [{}]

    def test_too_many_keys_have_key_ids_of_their_own(self, issuer):
        assert len({key["kid"] for key in self.keys(issuer, behaviours.too_many_keys(200))}) == 201

    @pytest.mark.parametrize("algorithm", ["RS256", "ES512", "EdDSA"])
    def test_leaking_private_keys_publishes_what_signs(self, algorithm):
        with MisbehavingIssuer(algorithm=algorithm) as issuer:
            (leaked,) = self.keys(issuer, behaviours.leaking_private_keys())
            assert leaked["kid"] == issuer.kid
            assert leaked.items() > issuer.jwks()["keys"][0].items()
            assert "d" in leaked

    @pytest.mark.parametrize(
        "behaviour",
        [
            behaviours.truncated(),
            behaviours.altered(x=1),
            behaviours.publishing(1),
            behaviours.huge(10),
            behaviours.cut_off(),
        ],
    )
    def test_a_client_that_has_the_document_gets_the_bad_one_all_the_same(self, issuer, behaviour):
        validator = {"If-None-Match": get(issuer).headers["etag"]}
        assert get(issuer, headers=validator).status_code == 304
        issuer.behave(behaviour)
        with httpx.stream("GET", issuer.jwks_url, headers=validator, trust_env=False) as answer:
            assert answer.status_code == 200
            assert "etag" not in answer.headers or behaviour.__qualname__.startswith("cut_off")

    def test_rotating_has_a_new_key_each_time(self, issuer):
        first, second = (self.keys(issuer, behaviours.rotating()) for _ in range(2))
        assert len(first) == len(second) == 1
        assert first[0]["kid"] != second[0]["kid"]

    def test_rotating_under_one_key_id_has_a_new_key_under_it(self, issuer):
        first, second = (self.keys(issuer, behaviours.rotating(same_kid=True)) for _ in range(2))
        assert first[0]["kid"] == second[0]["kid"] == issuer.kid
        assert first[0]["x"] != second[0]["x"]

    def test_alternating_takes_turns_and_at_first_ends(self, issuer):
        issuer.behave(behaviours.alternating(None, behaviours.failing()))
        assert [get(issuer).status_code for _ in range(4)] == [200, 503, 200, 503]
        issuer.behave(behaviours.at_first(behaviours.failing(), 2))
        assert [get(issuer).status_code for _ in range(4)] == [503, 503, 200, 200]

    def test_alternating_is_not_for_what_concerns_the_port(self):
        with pytest.raises(TypeError, match="whole port"):
            behaviours.alternating(None, behaviours.refusing())


class TestTLS:
    def test_serves_https_with_the_context_it_is_given(self, ca):
        trusting = ssl.create_default_context()
        ca.configure_trust(trusting)
        with MisbehavingIssuer(tls=server_context(ca, "127.0.0.1"), algorithm="ES256") as issuer:
            assert issuer.url.startswith("https://127.0.0.1:")
            assert get(issuer, verify=trusting).json() == issuer.jwks()
            assert get(issuer, verify=trusting).status_code == 200

    def test_presents_another_certificate_and_its_own_again(self, ca):
        trusting = ssl.create_default_context()
        ca.configure_trust(trusting)
        with MisbehavingIssuer(tls=server_context(ca, "127.0.0.1"), algorithm="ES256") as issuer:
            issuer.behave(behaviours.presenting(server_context(trustme.CA(), "127.0.0.1")))
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                get(issuer, verify=trusting)
            issuer.behave(behaviours.presenting(None))
            with pytest.raises(httpx.ConnectError):
                get(issuer, verify=trusting)
            issuer.behave(None)
            assert get(issuer, verify=trusting).status_code == 200

    def test_without_tls_there_is_nothing_to_present(self, ca):
        with pytest.raises(ConfigurationError, match="tls="):
            MisbehavingIssuer(behaviours.presenting(server_context(ca, "127.0.0.1")))
