"""Functions of the application in a policy: sync and async, in every form and behind every door."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import sys
from http import HTTPStatus

import pytest

from authorizing import MINT, NOW, Answer, ask, ask_async, bearer, case, every_door, server_for
from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    Decision,
    Finding,
    ServiceUnavailable,
    all_of,
    any_of,
    check,
    shadow,
    step_up,
)


def is_owner(token, request):
    return token.subject == request.path_params.get("org_id")


async def is_owner_later(token, request):
    await asyncio.sleep(0)
    return is_owner(token, request)


class Owner:
    def __call__(self, token, request):
        return is_owner(token, request)

    def method(self, token, request):
        return is_owner(token, request)

    async def async_method(self, token, request):
        return await is_owner_later(token, request)

    @staticmethod
    def static(token, request):
        return is_owner(token, request)

    @classmethod
    async def of_class(cls, token, request):
        return await is_owner_later(token, request)


class LaterOwner:
    async def __call__(self, token, request):
        return await is_owner_later(token, request)


def with_more(token, request, *, column="owner"):
    return column == "owner" and is_owner(token, request)


async def with_more_later(column, token, request):
    return column == "owner" and await is_owner_later(token, request)


@functools.wraps(is_owner)
def wrapped(*args, **kwargs):
    return is_owner(*args, **kwargs)


def marked(token, request):
    return is_owner_later(token, request)


if sys.version_info >= (3, 12):
    inspect.markcoroutinefunction(marked)
else:  # nothing can be marked there
    marked = is_owner_later

SYNC = {
    "a function": is_owner,
    "a lambda": lambda token, request: token.subject == request.path_params.get("org_id"),
    "an object with __call__": Owner(),
    "a method": Owner().method,
    "a static method": Owner.static,
    "a partial": functools.partial(with_more, column="owner"),
    "a function with more parameters": with_more,
    "a wrapped function": wrapped,
}
ASYNC = {
    "an async function": is_owner_later,
    "an object with an async __call__": LaterOwner(),
    "an async method": Owner().async_method,
    "an async class method": Owner.of_class,
    "an async partial": functools.partial(with_more_later, "owner"),
    "a function that is marked": marked,
}
OWN, OTHER = {"org_id": "user-1"}, {"org_id": "user-2"}


class TestForms:
    @pytest.mark.parametrize("check", SYNC.values(), ids=SYNC)
    @pytest.mark.parametrize("question", [ask, ask_async], ids=["authorize", "aauthorize"])
    def test_a_sync_one_is_asked(self, question, check):
        assert question(check, path_params=OWN)
        assert question(check, path_params=OTHER).codes == [Code.REFUSED_BY_CHECK]

    @pytest.mark.parametrize("check", ASYNC.values(), ids=ASYNC)
    def test_an_async_one_is_awaited(self, check):
        assert ask_async(check, path_params=OWN)
        assert ask_async(check, path_params=OTHER).codes == [Code.REFUSED_BY_CHECK]

    @pytest.mark.parametrize("check", ASYNC.values(), ids=ASYNC)
    @pytest.mark.parametrize(
        "nested", [lambda check: check, lambda check: any_of("a", all_of("b", check)), shadow]
    )
    def test_authorize_refuses_an_async_one_with_a_message(self, nested, check):
        server, credentials = server_for(), f"Bearer {MINT.token(scope='b')}"
        for question in (server.authorize, server.explain):
            with pytest.raises(ConfigurationError, match=r"await server\.aauthorize"):
                question(credentials, nested(check))

    def test_a_coroutine_of_a_sync_one_is_no_true(self):
        def careless(token, request):
            return is_owner_later(token, request)

        assert ask_async(careless, path_params=OWN).codes == [Code.REFUSED_BY_CHECK]

    def test_trio_awaits_it_too(self):
        trio = pytest.importorskip("trio")

        async def check(token, request):
            await trio.sleep(0)
            return True

        server, credentials = server_for(), f"Bearer {MINT.token()}"
        assert trio.run(functools.partial(server.aauthorize, credentials, check)).subject == "user-1"

    @pytest.mark.parametrize(
        "result",
        [None, 1, "yes", ["yes"], {"allowed": True}, object(), True],
        ids=["None", "1", "a word", "a list", "an object", "anything", "True"],
    )
    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    def test_only_true_lets_in(self, is_async, result):
        async def later(token, request):
            return result

        check = later if is_async else lambda token, request: result
        assert ask_async(check).status == (200 if result is True else 403)


class TestDecisions:
    FINDING = Finding(Code.REFUSED_BY_CHECK, "The subscription has ended.", hint="Renew it.")
    WEAK = Finding(Code.AUTHENTICATION_TOO_WEAK, "Large sums need more.")

    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    @pytest.mark.parametrize(
        ("decision", "status", "codes", "scope"),
        [
            case("allowed", Decision(allowed=True), 200, [], None),
            case("denied", Decision(allowed=False, findings=(FINDING,)), 403, [Code.REFUSED_BY_CHECK], None),
            case("without a reason", Decision(allowed=False), 403, [Code.REFUSED_BY_CHECK], None),
            case(
                "with a scope to ask for",
                Decision(allowed=False, findings=(FINDING,), scope=("pay",)),
                403,
                [Code.REFUSED_BY_CHECK],
                "pay",
            ),
            case(
                "that it can't tell now",
                Decision(allowed=False, findings=(Finding(Code.CHECK_FAILED, "The database is away."),)),
                503,
                [Code.CHECK_FAILED],
                None,
            ),
            case(
                "with a reason that is for others to give",
                Decision(allowed=False, findings=(Finding(Code.EXPIRED, "x"),)),
                403,
                [Code.REFUSED_BY_CHECK],
                None,
            ),
            case("allowed by something that is not True", Decision(allowed=1), 403, [Code.REFUSED_BY_CHECK], None),
            case(
                "that a better login would do",
                Decision(
                    allowed=False,
                    findings=(Finding(Code.AUTHENTICATION_TOO_WEAK, "Large sums need more."),),
                    acr_values=("mfa",),
                ),
                401,
                [Code.AUTHENTICATION_TOO_WEAK],
                None,
            ),
            case(
                "with a login that no header can carry",
                Decision(allowed=False, findings=(WEAK,), acr_values=('a"\r\nX: 1',)),
                401,
                [Code.AUTHENTICATION_TOO_WEAK],
                None,
            ),
            case(
                "with an age that is none",
                Decision(allowed=False, findings=(WEAK,), max_age="soon"),
                401,
                [Code.AUTHENTICATION_TOO_WEAK],
                None,
            ),
        ],
    )
    def test_may_be_given(self, is_async, decision, status, codes, scope):
        async def later(token, request):
            return decision

        verdict = ask_async(later if is_async else lambda token, request: decision)
        assert (verdict.status, verdict.codes) == (status, codes)
        assert verdict.scope == scope

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            case("a tuple", ("mfa", "phr"), "mfa phr"),
            case("a list", ["mfa"], "mfa"),
            case("nothing", (), None),
            case("a class with a space", ("a b",), None),
            case("a text, which is one class or none", "mfa", None),
        ],
    )
    def test_may_name_the_login_that_would_do(self, values, told):
        decision = Decision(allowed=False, findings=(self.WEAK,), acr_values=values)
        verdict = ask_async(lambda token, request: decision)
        assert verdict.status == 401
        assert verdict.denied.challenge.get("acr_values") == told

    def test_keep_their_words_for_the_log(self):
        verdict = ask_async(lambda token, request: Decision(allowed=False, findings=(self.FINDING,)))
        assert verdict.findings == (self.FINDING,)
        assert "subscription" in verdict.explanation.to_text()
        assert "subscription" not in verdict.challenge + str(verdict.denied.body)


def broken(token, request):
    raise LookupError("the database is away")


async def broken_later(token, request):
    await asyncio.sleep(0)
    raise LookupError("the database is away")


class TestThatRaise:
    @pytest.mark.parametrize("check", [broken, broken_later])
    def test_are_503_and_logged(self, check, caplog):
        with caplog.at_level(logging.ERROR, "jwtauthz"):
            verdict = ask_async(check)
        assert (verdict.status, verdict.codes) == (503, [Code.CHECK_FAILED])
        assert isinstance(verdict.denied, ServiceUnavailable)
        assert verdict.challenge is None
        assert verdict.denied.headers["Retry-After"] == "1"
        assert "LookupError: the database is away" in caplog.text
        assert check.__name__ in caplog.text
        assert "database" not in str(verdict.denied.body) + verdict.explanation.to_text()

    @pytest.mark.parametrize(
        "error", [ZeroDivisionError, RecursionError, MemoryError, StopIteration, TimeoutError, AssertionError]
    )
    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    def test_may_raise_any_exception(self, is_async, error):
        def check(token, request):
            raise error

        async def later(token, request):
            raise error

        assert ask_async(later if is_async else check).status == 503

    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    def test_a_denial_that_it_raises_is_its_own_fault(self, is_async):
        server, credentials = server_for(), f"Bearer {MINT.token()}"

        def check(token, request):
            server.authorize(credentials, "nobody has this")

        async def later(token, request):
            check(token, request)

        assert ask_async(later if is_async else check).status == 503

    @pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt])
    def test_leaving_is_not_held_up(self, leave):
        def check(token, request):
            raise leave

        with pytest.raises(leave):
            server_for().authorize(f"Bearer {MINT.token()}", check)

    def test_a_cancelled_request_stays_cancelled(self):
        async def check(token, request):
            await asyncio.sleep(60)

        async def cancelled():
            task = asyncio.create_task(server_for().aauthorize(f"Bearer {MINT.token()}", check))
            await asyncio.sleep(0.01)
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancelled())

    @pytest.mark.parametrize(
        ("needed", "scope", "status", "codes"),
        [
            case("beside a scope that holds", all_of("a", broken_later), "a", 503, [Code.CHECK_FAILED]),
            case(
                "beside a scope that is short, which outweighs it",
                all_of(broken_later, "a"),
                "",
                403,
                [Code.SCOPE_MISSING, Code.CHECK_FAILED],
            ),
            case("beside a branch that holds", any_of(broken_later, "a"), "a", 200, []),
            case(
                "beside a branch that is short",
                any_of("a", broken_later),
                "",
                503,
                [Code.CHECK_FAILED, Code.SCOPE_MISSING],
            ),
            case(
                "beside a login that is too weak",
                all_of(broken_later, step_up("mfa")),
                "",
                401,
                [Code.AUTHENTICATION_TOO_WEAK, Code.CHECK_FAILED],
            ),
            case("two that raise", all_of(broken, broken_later), "", 503, [Code.CHECK_FAILED, Code.CHECK_FAILED]),
        ],
    )
    def test_beside_others(self, needed, scope, status, codes):
        verdict = ask_async(needed, claims={"scope": scope})
        assert (verdict.status, verdict.codes) == (status, codes)


class TestThatRaiseByChoice:
    @pytest.mark.parametrize("function", [broken, broken_later])
    @pytest.mark.parametrize(
        ("settings", "status", "code"),
        [
            case("503 if nothing is said", {}, 503, Code.CHECK_FAILED),
            case("503", {"on_error": 503}, 503, Code.CHECK_FAILED),
            case("403", {"on_error": 403}, 403, Code.REFUSED_BY_CHECK),
            case("403 by its name", {"on_error": HTTPStatus.FORBIDDEN}, 403, Code.REFUSED_BY_CHECK),
        ],
    )
    def test_are_answered_so_and_logged_once(self, function, settings, status, code, caplog):
        server, credentials = server_for(), f"Bearer {MINT.token()}"
        with caplog.at_level(logging.INFO, "jwtauthz"), pytest.raises(AccessDenied) as denied:
            asyncio.run(server.aauthorize(credentials, check(function, **settings)))
        assert (denied.value.status, denied.value.finding.code) == (status, code)
        traced = [record for record in caplog.records if record.exc_info]
        assert [record.getMessage() for record in traced] == [
            f"The check {function.__name__} raised; the request is answered {status}"
        ]
        assert "raised; the traceback is in the log. Hint: Mend the function" in caplog.text
        assert "database" not in str(denied.value) + str(denied.value.body) + str(denied.value.challenge)
        assert denied.value.explanation.to_text().startswith(f"DENIED {status} {code}")
        assert len([record for record in caplog.records if record.exc_info]) == 1

    @pytest.mark.parametrize("function", [is_owner, is_owner_later])
    def test_answer_as_ever_where_they_do_not_raise(self, function):
        needed = check(function, on_error=403)
        assert ask_async(needed, path_params=OWN)
        assert ask_async(needed, path_params=OTHER).codes == [Code.REFUSED_BY_CHECK]

    @pytest.mark.parametrize(
        ("needed", "scope", "status"),
        [
            case("a branch that holds lets in", any_of(check(broken_later, on_error=403), "a"), "a", 200),
            case("a branch that is short leaves it a no", any_of(check(broken_later, on_error=403), "a"), "", 403),
            case("503 beside 403 is 403", all_of(broken, check(broken_later, on_error=403)), "", 403),
            case("503 or 403 may be permitted later", any_of(check(broken, on_error=403), broken), "", 503),
            case("a shadow lets in", shadow(check(broken_later, on_error=403)), "", 200),
        ],
    )
    def test_beside_others(self, needed, scope, status):
        assert ask_async(needed, claims={"scope": scope}).status == status

    @every_door
    @pytest.mark.parametrize("function", [broken, broken_later])
    def test_behind_every_door(self, door, function):
        client = door(server_for(), all_of("read", check(function, on_error=403)))
        answer = client("/orgs/1/things", bearer(scope="read"))
        assert (answer.status, answer.body["error"]) == (403, "insufficient_scope")

    @pytest.mark.parametrize(
        "on_error", [200, 401, 500, 0, None, True, False, "403", 403.0, [403], ValueError, (403, 503)], ids=repr
    )
    def test_no_other_answer_can_be_chosen(self, on_error):
        with pytest.raises(ConfigurationError, match="write 503 if nobody can tell"):
            check(is_owner, on_error=on_error)

    @pytest.mark.parametrize("function", ["read:users", any_of("a", "b"), check(is_owner)], ids=repr)
    def test_what_is_no_function_needs_no_check(self, function):
        with pytest.raises(ConfigurationError, match=r"Leave the check\(\.\.\.\) out"):
            check(function)

    @pytest.mark.parametrize(
        "function", [Owner, 5, None, lambda token: True], ids=["a class", "5", "None", "one argument"]
    )
    def test_what_can_not_be_called_so_is_refused(self, function):
        with pytest.raises(ConfigurationError, match=r"\(token, request\) -> bool"):
            check(function)


class TestWhenTheyAreAsked:
    def test_only_of_a_good_token(self):
        asked = []

        async def check(token, request):
            asked.append(token)
            return True

        assert ask_async(check, claims={"exp": NOW - 60}).status == 401
        assert ask_async(check, credentials=f"Bearer {MINT.forged_token()}").status == 401
        assert asked == []

    def test_once_for_a_decision_and_the_explanation_of_its_denial(self):
        asked = []

        async def check(token, request):
            asked.append(request)
            return False

        async def decide():
            with pytest.raises(AccessDenied) as denied:
                await server_for().aauthorize(f"Bearer {MINT.token()}", all_of("a", any_of(check, all_of(check))))
            return denied.value

        denied = asyncio.run(decide())
        assert len(asked) == 2  # it stands there twice
        assert denied.explanation.to_text()
        assert len(asked) == 2

    def test_many_requests_wait_side_by_side(self):
        inside, most = 0, 0

        async def check(token, request):
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1
            return True

        async def crowd():
            server, credentials = server_for(), f"Bearer {MINT.token()}"
            return await asyncio.gather(*(server.aauthorize(credentials, check) for _ in range(50)))

        assert len(asyncio.run(crowd())) == 50
        assert most == 50

    def test_a_shadow_awaits_it_and_lets_in(self, caplog):
        async def check(token, request):
            return False

        async def decide():
            return await server_for().aauthorize(f"Bearer {MINT.token()}", shadow(check))

        with caplog.at_level(logging.WARNING, "jwtauthz"):
            assert asyncio.run(decide()).subject == "user-1"
        assert "would be denied 403" in caplog.text


class TestBehindEveryDoor:
    @every_door
    def test_a_sync_one(self, door):
        client = door(server_for(), all_of("read", is_owner))
        token = bearer(scope="read")
        assert [client(f"/orgs/{name}/things", token).status for name in ("user-1", "user-2")] == [200, 403]

    @every_door
    def test_an_async_one(self, door):
        client = door(server_for(), all_of("read", is_owner_later))
        token = bearer(scope="read")
        assert [client(f"/orgs/{name}/things", token).status for name in ("user-1", "user-2")] == [200, 403]
        assert client("/orgs/user-1/things").status == 401

    @every_door
    def test_one_that_raises(self, door):
        client = door(server_for(), all_of("read", broken))
        assert client("/orgs/1/things", bearer(scope="read")) == UNAVAILABLE

    @every_door
    def test_an_async_one_that_raises(self, door):
        client = door(server_for(), all_of("read", broken_later))
        assert client("/orgs/1/things", bearer(scope="read")) == UNAVAILABLE

    @every_door
    def test_an_async_one_beside_async_revocation(self, door):
        async def never(token):
            return False

        client = door(server_for(revoked=never), is_owner_later)
        assert client("/orgs/user-1/things", bearer()).status == 200


UNAVAILABLE = Answer(
    503,
    None,
    {
        "error": "temporarily_unavailable",
        "error_description": "Whether this is permitted cannot be told now; try again later",
    },
    "1",
)


class TestRefusedSettings:
    @pytest.mark.parametrize(
        "check",
        [
            case("no parameters", lambda: True),
            case("one parameter", lambda token: True),
            case("three", lambda token, request, more: True),
            case("a keyword that must be given", lambda token, request, *, more: True),
            case("a method without its object", Owner.method),
            case("an async method without its object", Owner.async_method),
        ],
    )
    def test_a_function_that_can_not_be_called_so(self, check):
        with pytest.raises(ConfigurationError, match=r"function \(token, request\) -> bool"):
            all_of(check)

    @pytest.mark.parametrize("check", [Owner, LaterOwner, 5, None, True, object()], ids=repr)
    def test_what_is_no_function(self, check):
        with pytest.raises(ConfigurationError, match="can't ask for"):
            any_of("a", check)
