"""Claims as a class of the application says them: in four kinds of class, strictly, and behind every door."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import logging
import threading
import typing
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Required, TypedDict

import msgspec
import pydantic
import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from authorizing import AUDIENCE, MINT, NOW, case, server_for
from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    InvalidToken,
    Request,
    ServiceUnavailable,
    any_of,
    authenticated,
    resource_server,
    shadow,
)
from jwtauthz.testing._signing import compact

ROLES = "https://example.com/roles"


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class PydanticMe(BaseModel):
    sub: str
    roles: list[str] = Field(alias=ROLES)
    level: Level = Level.LOW
    seats: int | None = None
    admin: bool = False
    ratio: float = 1.0


@pydantic.dataclasses.dataclass
class PydanticDataclassMe:
    sub: str
    roles: Annotated[list[str], Field(alias=ROLES)]
    level: Level = Level.LOW
    seats: int | None = None
    admin: bool = False
    ratio: float = 1.0


class MsgspecMe(msgspec.Struct):
    sub: str
    roles: list[str] = msgspec.field(name=ROLES)
    level: Level = Level.LOW
    seats: int | None = None
    admin: bool = False
    ratio: float = 1.0


@dataclass
class DataclassMe:
    sub: str
    roles: list[str] = field(metadata={"claim": ROLES})
    level: Level = Level.LOW
    seats: int | None = None
    admin: bool = False
    ratio: float = 1.0


TypedDictMe = TypedDict(
    "TypedDictMe",
    {
        "sub": str,
        ROLES: list[str],
        "level": NotRequired[Level],
        "seats": NotRequired[int | None],
        "admin": NotRequired[bool],
        "ratio": NotRequired[float],
    },
)

KINDS = [PydanticMe, PydanticDataclassMe, MsgspecMe, DataclassMe, TypedDictMe]
every_kind = pytest.mark.parametrize("model", [pytest.param(kind, id=kind.__name__) for kind in KINDS])
GOOD = {ROLES: ["editor"], "level": "high", "seats": 3}
SECRET = "s3cret"


def text_of(claims: dict[str, Any]) -> str:
    """A token of just these claims beside those that every one has; null is null here, and any name is a name."""
    always = {"iss": MINT.url, "sub": "user-1", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 600}
    header = {"alg": "ES256", "typ": "JWT", "kid": MINT.kid}
    return compact(header, {**always, **claims}, MINT._signing_key())


def request_for(claims: dict[str, Any] | None = None) -> Request:
    return Request(f"Bearer {text_of(claims or {})}")


def token_of(claims: dict[str, Any], model: Any, *needs: Any, server: Any = None, **settings: Any) -> Any:
    """The verified token, asked for with a model."""
    return (server or server_for()).authorize(
        request_for(claims), *(needs or (authenticated(),)), claims=model, **settings
    )


def value_of(claims: dict[str, Any], model: Any) -> Any:
    return token_of(claims, model).claims_as(model)


def refused(claims: dict[str, Any], model: Any, *needs: Any, **settings: Any) -> AccessDenied:
    with pytest.raises(AccessDenied) as denied:
        token_of(claims, model, *needs, **settings)
    return denied.value


class TestReading:
    @every_kind
    def test_claims_that_fit_are_the_object(self, model):
        me = value_of(GOOD, model)
        if model is TypedDictMe:
            assert me == {"sub": "user-1", ROLES: ["editor"], "level": Level.HIGH, "seats": 3}
        else:
            assert type(me) is model
            assert (me.sub, me.roles, me.level, me.seats) == ("user-1", ["editor"], Level.HIGH, 3)
            assert (me.admin, me.ratio) == (False, 1.0)

    @every_kind
    @pytest.mark.parametrize(
        ("claims", "where"),
        [
            case("a claim that is missing", {}, ROLES),
            case("a text for a list", {ROLES: SECRET}, ROLES),
            case("null for a list", {ROLES: None}, ROLES),
            case("an object for a list", {ROLES: {SECRET: SECRET}}, ROLES),
            case("a number in a list of texts", {ROLES: ["a", 5]}, ROLES),
            case("a text for a number", {**GOOD, "seats": "3"}, "seats"),
            case("a fraction for a whole number", {**GOOD, "seats": 3.5}, "seats"),
            case("true for a number", {**GOOD, "seats": True}, "seats"),
            case("a number for true", {**GOOD, "admin": 1}, "admin"),
            case("a word for true", {**GOOD, "admin": "yes"}, "admin"),
            case("a text for a fraction", {**GOOD, "ratio": "0.5"}, "ratio"),
            case("true for a fraction", {**GOOD, "ratio": True}, "ratio"),
            case("a word that the enum does not have", {**GOOD, "level": SECRET}, "level"),
            case("a list for a word of an enum", {**GOOD, "level": [SECRET]}, "level"),
            case("an object for a word of an enum", {**GOOD, "level": {SECRET: 1}}, "level"),
            case("null where there is a default", {**GOOD, "ratio": None}, "ratio"),
        ],
    )
    def test_claims_that_do_not_are_401_and_the_claim_is_named(self, model, claims, where, caplog):
        with caplog.at_level(logging.DEBUG):
            denied = refused(claims, model)
        assert isinstance(denied, InvalidToken)
        assert (denied.status, denied.error) == (401, "invalid_token")
        assert denied.finding.code is Code.CLAIMS_MISMATCH
        assert denied.finding.claim == where
        assert f"`{where}" in str(denied)
        assert [record.finding for record in caplog.records] == ["claims_mismatch"]
        assert where in caplog.text
        assert model.__name__ in caplog.text
        told = str(denied.body) + str(denied.challenge)
        assert SECRET not in caplog.text + repr(denied.findings) + told
        assert where not in told
        assert model.__name__ not in told
        assert denied.description == "The claims of the token are not what this API needs"

    @every_kind
    def test_every_claim_that_is_wrong_is_told_where_the_library_tells_it(self, model):
        said = refused({ROLES: SECRET, "seats": SECRET, "admin": SECRET}, model).finding.detail
        assert ROLES in said
        assert ("seats" in said and "admin" in said) or model is MsgspecMe  # which stops at the first

    @every_kind
    def test_a_whole_number_will_do_for_a_fraction(self, model):
        me = value_of({**GOOD, "ratio": 2}, model)
        assert (me["ratio"] if model is TypedDictMe else me.ratio) == 2.0

    @every_kind
    def test_claims_that_the_class_does_not_name_are_left_out(self, model):
        me = value_of(
            {**GOOD, "azp": "client", "__class__": 1, "self": 2, "__init__": 3, "model_config": 4}, model
        )
        assert "azp" not in str(me)

    @every_kind
    def test_an_explanation_says_the_same(self, model):
        explained = server_for().explain(request_for({}), authenticated(), claims=model)
        assert (explained.status, explained.finding.code) == (401, Code.CLAIMS_MISMATCH)
        assert "✗ claims fit the model of the route" in explained.to_text()
        assert ROLES in explained.to_text()
        assert server_for().explain(request_for(GOOD), authenticated(), claims=model).allowed

    def test_an_explanation_tells_the_scopes_too(self):
        text = server_for().explain(request_for({}), "read", claims=PydanticMe).to_text()
        assert text.startswith("DENIED 401 claims_mismatch")
        assert "✗ what the operation needs" in text

    def test_a_bad_token_is_never_shown_to_a_model(self):
        seen = []

        class Watching(BaseModel):
            @pydantic.model_validator(mode="before")
            @classmethod
            def watch(cls, data):
                seen.append(data)
                return data

        for claims in ({"exp": 1}, {"aud": "other"}, {"iss": "https://other.example/"}):
            assert refused(claims, Watching).finding.code is not Code.CLAIMS_MISMATCH
            assert server_for().explain(request_for(claims), authenticated(), claims=Watching).status == 401
        assert seen == []

    def test_more_than_five_are_counted(self):
        fields = {f"c{number}": (int, ...) for number in range(9)}
        said = refused({}, pydantic.create_model("Many", **fields)).finding.detail
        assert said.endswith("`c4` (missing), 4 more.")


class TestOfPydantic:
    def test_json_that_is_no_json_type_is_read_from_its_text(self):
        class Me(BaseModel):
            id: uuid.UUID
            groups: tuple[str, ...]
            rights: frozenset[str]

        text = "6f1c6a3c-1a1e-4a3e-8d5b-0b8a4c9f2d11"
        me = value_of({"id": text, "groups": ["a"], "rights": ["r", "r"]}, Me)
        assert (me.id, me.groups, me.rights) == (uuid.UUID(text), ("a",), frozenset({"r"}))

    def test_a_model_may_ask_for_conversion_itself(self):
        class Me(BaseModel):
            model_config = ConfigDict(strict=False)
            admin: bool
            seats: int

        me = value_of({"admin": "yes", "seats": "3"}, Me)
        assert (me.admin, me.seats) == (True, 3)

    def test_the_log_says_how_where_a_type_is_the_matter(self):
        assert "ConfigDict(strict=False)" in refused({**GOOD, "seats": "3"}, PydanticMe).finding.hint
        assert "strict" not in refused({}, PydanticMe).finding.hint

    @pytest.mark.parametrize(
        "names", [{"iss", "exp", "aud", "sub", "iat", "jti"}, {"iss", "exp", "sub", "iat", "jti"}]
    )
    def test_a_model_that_forbids_others_has_to_name_what_there_is(self, names):
        fields = dict.fromkeys(names, (Any, None))
        model = pydantic.create_model("Me", __config__=ConfigDict(extra="forbid"), **fields)
        if "aud" in names:
            assert value_of({}, model).sub == "user-1"
        else:
            finding = refused({}, model).finding
            assert "`aud` (extra_forbidden)" in finding.detail
            assert "let it ignore them" in finding.hint

    def test_aliases_of_every_kind_are_names(self):
        class Me(BaseModel):
            model_config = ConfigDict(extra="forbid")
            issuer: str = Field(validation_alias="iss")
            until: int = Field(validation_alias=AliasChoices("exp", "until"))
            city: str | None = Field(None, validation_alias=pydantic.AliasPath("address", "city"))

        assert refused({}, Me).finding.code is Code.CLAIMS_MISMATCH  # built, and then `aud` is too much

    def test_its_words_do_not_quote_what_they_found(self):
        class Cat(BaseModel):
            kind: Literal["cat"]

        class Dog(BaseModel):
            kind: Literal["dog"]

        class Me(BaseModel):
            pet: Annotated[Cat | Dog, Field(discriminator="kind")]
            word: str

            @pydantic.field_validator("word")
            @classmethod
            def refuse(cls, value):
                raise ValueError(f"not {value}")

        denied = refused({"pet": {"kind": SECRET}, "word": SECRET}, Me)
        assert "`pet` (union_tag_invalid), `word` (value_error)" in denied.finding.detail
        assert SECRET not in repr(denied.finding)

    def test_a_model_within_a_model(self):
        class Access(BaseModel):
            roles: list[str]

        class Me(BaseModel):
            realm_access: Access

        assert value_of({"realm_access": {"roles": ["a"]}}, Me).realm_access.roles == ["a"]
        assert "`realm_access → roles → 1` (string_type)" in str(
            refused({"realm_access": {"roles": ["a", 1]}}, Me)
        )

    def test_extra_claims_may_be_kept_and_hide_nothing_of_the_model(self):
        class Me(BaseModel):
            model_config = ConfigDict(extra="allow")
            sub: str

        me = value_of({"model_config": 1, "__class__": 2, "model_dump": 3, "__pydantic_extra__": 4, "self": 5}, Me)
        assert me.__class__ is Me
        assert me.model_config == {"extra": "allow"}
        assert callable(me.model_dump)
        assert me.model_extra["__class__"] == 2

    def test_a_root_model_gets_all_claims_in_a_copy(self):
        class All(pydantic.RootModel[dict[str, Any]]):
            pass

        token = token_of(GOOD, All)
        token.claims_as(All).root["sub"] = "other"
        token.claims_as(All).root[ROLES].append("admin")
        assert token.claims_as(All).root["sub"] == token.claims["sub"] == token.subject == "user-1"
        assert token.claims_as(All).root[ROLES] == token.claims[ROLES] == ["editor"]


class TestOfMsgspec:
    @pytest.mark.parametrize(
        ("claims", "said"),
        [
            case("a type", {"n": "x", "t": "a"}, "`n` (Expected int, got str)"),
            case("what is missing", {"n": 1}, "`t` (missing)"),
            case("what is missing within", {"n": 1, "t": "a", "inner": {}}, "`inner → x` (missing)"),
            case("a word of no enum", {"n": 1, "t": SECRET}, "`t` (refused by the model)"),
            case("what its own check says", {"n": 13, "t": "a"}, "asks for: refused by the model."),
            case("a key of an object", {"n": 1, "t": "a", "limits": {SECRET: "x"}}, "`limits` (Expected"),
        ],
    )
    def test_its_words_do_not_quote_what_they_found(self, claims, said):
        class Inner(msgspec.Struct):
            x: int

        class Me(msgspec.Struct):
            n: int
            t: Literal["a", "b"]
            limits: dict[str, int] = {}
            inner: Inner | None = None

            def __post_init__(self):
                if self.n == 13:
                    raise ValueError(SECRET)

        msgspec.inspect.type_info(Inner)
        Me.__annotations__ = {"n": int, "t": Literal["a", "b"], "limits": dict[str, int], "inner": Inner | None}
        finding = refused(claims, Me).finding
        assert said in finding.detail
        assert SECRET not in repr(finding)

    def test_a_struct_that_forbids_others_hears_of_them(self):
        class Me(msgspec.Struct, forbid_unknown_fields=True):
            iss: str
            exp: int

        finding = refused({}, Me).finding
        assert "not a field of the model" in finding.detail
        assert "let it ignore them" in finding.hint


Seats = NewType("Seats", int)


class Address(TypedDict, total=False):
    city: Required[str]
    street: str


@dataclass
class Tree:
    name: str
    below: list[Tree] = field(default_factory=list)


@dataclass(frozen=True)
class Wide:
    any: Any = None
    thing: object = None
    words: tuple[str, ...] = ()
    unique: frozenset[str] = frozenset()
    several: set[int] = field(default_factory=set)
    bare: list = field(default_factory=list)
    table: dict = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    kind: Literal["a", 1, True, None] = "a"  # noqa: PYI061
    either: int | str | None = None
    mixed: Level | list[str] | Seats | None = None
    old: Optional[int] = None  # noqa: UP045
    seats: Seats = Seats(0)
    address: Address | None = None
    tree: Tree | None = None
    path: str = field(default="", metadata={"claim": ("realm_access", "name")})
    made: str = field(default="here", init=False)


class TestOfDataclasses:
    @pytest.mark.parametrize(
        ("name", "given", "found"),
        [
            case("anything", "any", {"a": [1]}, {"a": [1]}),
            case("any object", "thing", [None], [None]),
            case("a tuple", "words", ["a", "b"], ("a", "b")),
            case("a frozenset", "unique", ["a", "a"], frozenset({"a"})),
            case("a set", "several", [1, 2, 1], {1, 2}),
            case("a list of anything", "bare", [1, "a"], [1, "a"]),
            case("an object of anything", "table", {"a": None}, {"a": None}),
            case("an object of numbers", "limits", {"a": 1}, {"a": 1}),
            case("a literal", "kind", "a", "a"),
            case("a literal 1", "kind", 1, 1),
            case("a literal true", "kind", True, True),
            case("a literal null", "kind", None, None),
            case("one of several types", "either", "a", "a"),
            case("another of them", "either", 5, 5),
            case("a number or a list", "mixed", ["a"], ["a"]),
            case("a text or a list", "mixed", "low", Level.LOW),
            case("an optional one", "old", None, None),
            case("a new type", "seats", 5, 5),
            case("a TypedDict", "address", {"city": "Ulm", "x": 1}, {"city": "Ulm"}),
            case("itself", "tree", {"name": "a", "below": [{"name": "b"}]}, Tree("a", [Tree("b")])),
        ],
    )
    def test_takes_these_types(self, name, given, found):
        value = getattr(value_of({name: given}, Wide), name)
        assert value == found
        assert type(value) is type(found)

    @pytest.mark.parametrize(
        ("name", "given", "where"),
        [
            case("a number in a tuple", "words", ["a", 1], "words → 1"),
            case("no list for a set", "several", {"a": 1}, "several"),
            case("a text in an object of numbers", "limits", {"a": "1"}, "limits → a"),
            case("a list for an object", "limits", [1], "limits"),
            case("another literal", "kind", 0, "kind"),
            case("1.0 for a literal 1", "kind", 1.0, "kind"),
            case("none of several types", "either", [1], "either"),
            case("true where there is int | str", "either", True, "either"),
            case("a nested claim that is missing", "address", {"street": "x"}, "address → city"),
            case("an odd leaf", "tree", {"name": "a", "below": [{"name": 1}]}, "tree → below → 0 → name"),
        ],
    )
    def test_names_the_place_to_the_last_part(self, name, given, where):
        assert f"`{where}` (" in refused({name: given}, Wide).finding.detail

    def test_a_field_may_be_read_by_a_path(self):
        assert value_of({"realm_access": {"name": "main"}}, Wide).path == "main"
        assert value_of({"realm_access": "x"}, Wide).path == ""
        assert "`realm_access → name` (not a string)" in str(refused({"realm_access": {"name": 1}}, Wide))

    @pytest.mark.parametrize("error", [ValueError, AssertionError, UnicodeError])
    def test_post_init_may_say_no(self, error):
        @dataclass
        class Me:
            sub: str

            def __post_init__(self):
                raise error(SECRET)

        finding = refused({}, Me).finding
        assert finding.code is Code.CLAIMS_MISMATCH
        assert "refused by __post_init__" in finding.detail
        assert SECRET not in repr(finding)

    def test_a_typed_dict_may_have_a_base_without_all_of_it(self):
        class Mine(Address):
            sub: str
            nick: NotRequired[str]

        assert value_of({"city": "Ulm"}, Mine) == {"city": "Ulm", "sub": "user-1"}
        assert "`city` (missing)" in str(refused({}, Mine))

    def test_a_number_too_large_for_a_float_is_no_float(self):
        assert "`ratio` (not a number)" in str(refused({**GOOD, "ratio": 10**400}, DataclassMe))


@dataclass
class WithHash:
    sub: str

    def __hash__(self):
        return hash(self.sub)


@dataclass
class Left:
    below: Left | str


@dataclass
class Right:
    below: Right | str


class TestOnce:
    """How often a class is asked, and who gets the same object."""

    @staticmethod
    def server_that_knows(request):
        """A server to which the token has come once, so that it is remembered from now on."""
        server = server_for()
        server.authorize(request, authenticated())
        return server

    @staticmethod
    def counting(**config: Any) -> Any:
        class Counting(BaseModel):
            model_config = ConfigDict(**config)
            made: typing.ClassVar[int] = 0
            sub: str
            roles: tuple[str, ...] = Field((), alias=ROLES)

            @pydantic.model_validator(mode="after")
            def count(self):
                type(self).made += 1
                return self

        return Counting

    def test_what_is_frozen_is_made_once_for_a_token_and_shared(self):
        model, request = self.counting(frozen=True), request_for(GOOD)
        server = self.server_that_knows(request)
        values = []
        for _ in range(3):
            token = server.authorize(request, authenticated(), claims=model)
            values += [token.claims_as(model), token.claims_as(model)]
        assert model.made == 1
        assert len({id(value) for value in values}) == 1

    def test_what_may_be_changed_is_made_for_each_who_asks_and_no_oftener(self):
        model, request = self.counting(), request_for(GOOD)
        server = self.server_that_knows(request)
        values = [server.authorize(request, authenticated(), claims=model).claims_as(model) for _ in range(3)]
        assert model.made == 3
        values[0].sub = "somebody else"
        assert [value.sub for value in values] == ["somebody else", "user-1", "user-1"]

    def test_what_nobody_takes_is_made_once(self):
        model, request = self.counting(), request_for(GOOD)
        server = self.server_that_knows(request)
        for _ in range(3):
            server.authorize(request, authenticated(), claims=model)
        assert model.made == 1

    def test_what_does_not_fit_is_found_once(self):
        class Never(BaseModel):
            asked: typing.ClassVar[int] = 0

            @pydantic.model_validator(mode="after")
            def refuse(self):
                type(self).asked += 1
                raise ValueError

        request = request_for()
        server = self.server_that_knows(request)
        for _ in range(3):
            with pytest.raises(InvalidToken):
                server.authorize(request, authenticated(), claims=Never)
        assert Never.asked == 1

    @pytest.mark.parametrize(
        ("model", "shared"),
        [
            case(
                "a frozen dataclass of a tuple", dataclasses.make_dataclass("A", [("sub", str)], frozen=True), True
            ),
            case(
                "a frozen dataclass of a list",
                dataclasses.make_dataclass("B", [("r", list[str], field(metadata={"claim": ROLES}))], frozen=True),
                False,
            ),
            case("a plain dataclass", dataclasses.make_dataclass("C", [("sub", str)]), False),
            case(
                "a dataclass that compares by identity",
                dataclasses.make_dataclass("D", [("sub", str)], eq=False),
                False,
            ),
            case("a frozen Struct", msgspec.defstruct("E", [("sub", str)], frozen=True), True),
            case("a Struct", msgspec.defstruct("F", [("sub", str)]), False),
            case("a TypedDict", TypedDictMe, False),
            case(
                "a frozen model that keeps the rest",
                pydantic.create_model("G", __config__=ConfigDict(frozen=True, extra="allow"), sub=(str, ...)),
                False,
            ),
            case("a dataclass with a hash of its own", WithHash, False),
            case(
                "a frozen model of a list",
                pydantic.create_model("H", __config__=ConfigDict(frozen=True), r=(list[str], Field(alias=ROLES))),
                False,
            ),
        ],
    )
    def test_only_what_nobody_can_change_is_shared(self, model, shared):
        token = token_of(GOOD, model)
        assert (token.claims_as(model) is token.claims_as(model)) is shared

    def test_threads_never_get_the_same_object(self):
        server, request, values = server_for(), request_for(GOOD), []

        def work():
            values.extend(
                server.authorize(request, authenticated(), claims=MsgspecMe).claims_as(MsgspecMe)
                for _ in range(200)
            )

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(value) for value in values}) == len(values) == 800

    @pytest.mark.parametrize("model", [None, PydanticMe], ids=["without a class", "with one"])
    def test_a_requirement_is_built_once_for_all_requests(self, model, monkeypatch):
        built, build, scope = [], resource_server.requirement, "built:once:" + getattr(model, "__name__", "")

        def building(*needs, claim):
            built.append(needs)
            return build(*needs, claim=claim)

        monkeypatch.setattr(resource_server, "requirement", building)
        server, request = server_for(), request_for({**GOOD, "scope": scope})
        for _ in range(3):
            server.authorize(request, scope, claims=model)
        assert built == [(scope,)]

    def test_a_token_without_models_holds_nothing_for_them(self):
        token = server_for().authorize(request_for(), authenticated())
        assert token._made is None


class Failing(BaseModel):
    sub: str
    error: typing.ClassVar[Any] = LookupError

    @pydantic.field_validator("sub")
    @classmethod
    def fail(cls, value):
        raise cls.error("the database is away")


class FailingStruct(msgspec.Struct):
    sub: str

    def __post_init__(self):
        raise LookupError("the database is away")


@dataclass
class FailingDataclass:
    sub: str

    def __post_init__(self):
        raise LookupError("the database is away")


class TestValidatorsThatRaise:
    @pytest.mark.parametrize("model", [Failing, FailingStruct, FailingDataclass])
    def test_something_odd_are_503_and_logged(self, model, caplog):
        denied = refused({}, model)
        assert isinstance(denied, ServiceUnavailable)
        assert denied.finding.code is Code.MODEL_FAILED
        assert denied.headers["Retry-After"] == "1"
        assert len([record for record in caplog.records if record.exc_info]) == 1
        assert "LookupError: the database is away" in caplog.text
        assert "database" not in str(denied) + str(denied.body)

    @pytest.mark.parametrize("error", [RecursionError, MemoryError, ZeroDivisionError, TypeError, StopIteration])
    def test_may_raise_any_exception(self, error, monkeypatch):
        monkeypatch.setattr(Failing, "error", error)
        assert refused({}, Failing).status == 503

    def test_are_asked_again_for_it_may_be_over(self, monkeypatch):
        server, request = server_for(), request_for()
        with pytest.raises(ServiceUnavailable):
            server.authorize(request, authenticated(), claims=Failing)
        monkeypatch.setattr(Failing, "fail", None)
        monkeypatch.setattr(Failing, "error", ValueError)
        with pytest.raises(InvalidToken):
            server.authorize(request, authenticated(), claims=Failing)

    @pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt])
    def test_leaving_is_not_held_up(self, leave, monkeypatch):
        monkeypatch.setattr(Failing, "error", leave)
        with pytest.raises(leave):
            token_of({}, Failing)


class TestBesideARequirement:
    @pytest.mark.parametrize(
        ("claims", "status", "codes"),
        [
            case("both hold", {**GOOD, "scope": "read"}, 200, []),
            case("the scope is short", GOOD, 403, [Code.SCOPE_MISSING]),
            case("the claims do not fit", {"scope": "read"}, 401, [Code.CLAIMS_MISMATCH]),
            case("neither: the token comes first", {}, 401, [Code.CLAIMS_MISMATCH]),
        ],
    )
    def test_both_are_asked(self, claims, status, codes):
        if status == 200:
            assert token_of(claims, PydanticMe, "read")
            return
        denied = refused(claims, PydanticMe, "read")
        assert (denied.status, [finding.code for finding in denied.findings]) == (status, codes)

    def test_the_answer_names_the_scopes_as_without_a_model(self):
        denied = refused(GOOD, PydanticMe, any_of("read", "write"))
        assert denied.body["required"] == [{"any_of": ["read", "write"]}]
        assert denied.challenge.get("scope") == "read"

    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    def test_a_function_is_asked_only_where_the_claims_fit(self, is_async, caplog):
        asked = []

        def is_editor(token, request):
            asked.append(token.claims_as(PydanticMe).roles)
            return "editor" in asked[-1]

        async def later(token, request):
            return is_editor(token, request)

        async def decide(claims):
            server = server_for()
            return await server.aauthorize(
                request_for(claims), later if is_async else is_editor, claims=PydanticMe
            )

        assert asyncio.run(decide(GOOD)).subject == "user-1"
        for claims, status in (({ROLES: ["x"]}, 403), ({}, 401)):
            with pytest.raises(AccessDenied) as denied:
                asyncio.run(decide(claims))
            assert denied.value.status == status
        assert asked == [["editor"], ["x"]]
        assert not [record for record in caplog.records if record.exc_info]

    @pytest.mark.parametrize("whose", ["the requirement", "the server"])
    def test_a_shadow_reports_the_policy_and_refuses_claims_that_do_not_fit(self, whose, caplog):
        needs, server = (shadow("read"), None) if whose == "the requirement" else ("read", server_for(shadow=True))
        assert token_of(GOOD, PydanticMe, needs, server=server).claims_as(PydanticMe).sub == "user-1"
        assert "would be denied 403" in caplog.text
        denied = refused({}, PydanticMe, needs, server=server)
        assert denied.finding.code is Code.CLAIMS_MISMATCH
        assert denied.explanation.status == 401
        assert not denied.explanation.allowed
        assert refused({}, Failing, needs, server=server).status == 503

    def test_an_anonymous_request_has_no_claims(self):
        server = server_for()
        assert server.authorize(None, authenticated(), claims=PydanticMe, optional=True) is None
        with pytest.raises(InvalidToken):
            server.authorize(request_for({}), authenticated(), claims=PydanticMe, optional=True)

    def test_a_token_may_be_asked_for_more_models(self):
        server, request = server_for(), request_for(GOOD)
        token = server.authorize(request, authenticated(), claims=PydanticMe)
        assert server.permit(token, request, authenticated(), claims=MsgspecMe) is token
        assert asyncio.run(server.apermit(token, request, authenticated(), claims=DataclassMe)) is token
        assert {token.claims_as(model).sub for model in (PydanticMe, MsgspecMe, DataclassMe)} == {"user-1"}


class TestAskedOfATokenAlone:
    """`token.claims_as` of a class that no `claims=` has named."""

    def test_gives_the_object(self):
        assert server_for().authorize(request_for(GOOD), authenticated()).claims_as(MsgspecMe).roles == ["editor"]

    def test_is_a_denial_with_a_challenge_and_a_record_where_it_does_not_fit(self, caplog):
        token = server_for().authorize(request_for(), authenticated())
        for _ in range(2):
            with pytest.raises(InvalidToken) as denied:
                token.claims_as(PydanticMe)
        assert denied.value.headers["WWW-Authenticate"] == (
            'Bearer error="invalid_token", error_description="The claims of the token are not what this API needs"'
        )
        [record] = caplog.records
        assert record.getMessage().startswith("claims_as(PydanticMe): denied 401 claims_mismatch: ")
        assert ROLES in record.getMessage()

    def test_is_503_where_the_class_fails(self):
        token = server_for().authorize(request_for(), authenticated())
        with pytest.raises(ServiceUnavailable) as denied:
            token.claims_as(Failing)
        assert denied.value.headers["Retry-After"] == "1"


class _Meta(type):
    def __getattribute__(cls, name):
        raise ZeroDivisionError

    def __repr__(cls):
        raise ZeroDivisionError


class _UnhashableMeta(type):
    __hash__ = None  # type: ignore[assignment]


def make(**types: Any) -> Any:
    return dataclasses.make_dataclass("Odd", types.items())


@dataclass
class _OfNowhere:
    child: Nowhere  # noqa: F821


@dataclass
class _InitVar:
    sub: str
    more: dataclasses.InitVar[int]


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("model", "words"),
        [
            case("an int", 5, "is no class"),
            case("True", True, "is no class"),
            case("a function", lambda token: token, "is no class"),
            case("a text, which `claim=` takes", "permissions", "claim='...', without an s"),
            case("a list", ["sub"], "is no class"),
            case("an object of a model", PydanticMe(**{"sub": "x", ROLES: []}), "is no class"),
            case("an object of a dataclass", DataclassMe("x", []), "the class itself"),
            case("an object of a TypedDict", {"sub": "x"}, "the class itself"),
            case("a generic alias", list[int], "is no class"),
            case("a union", PydanticMe | None, "is no class"),
            case("int", int, "says nothing of claims"),
            case("dict", dict, "says nothing of claims"),
            case("object", object, "says nothing of claims"),
            case("a class without fields", TestOnce, "says nothing of claims"),
            case("a class that raises at everything", _Meta("Bad", (), {}), "ZeroDivisionError"),
            case("a class that can't be hashed", _UnhashableMeta("Bad", (), {}), "TypeError"),
            case("a date in a dataclass", make(when=uuid.UUID), "pydantic model or a msgspec Struct"),
            case("a bound in a dataclass", make(n=Annotated[int, Field(gt=0)]), "Odd.n"),
            case("a tuple of two", make(pair=tuple[str, int]), "Odd.pair"),
            case("an empty tuple", make(none=tuple[()]), "Odd.none"),
            case("an object by numbers", make(table=dict[int, str]), "Odd.table"),
            case("bytes", make(raw=bytes), "Odd.raw"),
            case("a type that is a number", make(n=5), "Odd.n"),
            case("an enum of objects", make(e=enum.Enum("E", {"A": (1, 2)})), "Odd.e"),
            case("a literal of an enum", make(e=Literal[Level.LOW]), "Odd.e"),
            case("within a list within an optional", make(n=list[uuid.UUID] | None), "Odd.n"),
            case(
                "a choice of objects, which takes trials",
                make(side=Left | Right),
                "with at most one of those that hold",
            ),
            case("a choice of lists of them", make(side=list[Left] | list[Right] | None), "Odd.side"),
            case("a name that is nowhere", _OfNowhere, "Nowhere"),
            case("a parameter that is no field", _InitVar, "InitVar"),
            case(
                "a claim of no name",
                dataclasses.make_dataclass("A", [("a", str, field(metadata={"claim": 5}))]),
                "names no",
            ),
            case(
                "a model that forbids what every token has",
                pydantic.create_model("Me", __config__=ConfigDict(extra="forbid"), sub=(str, ...)),
                'names no exp and no iss, so no token would ever fit. Write extra="ignore"',
            ),
            case(
                "a Struct that does",
                msgspec.defstruct("Me", [("sub", str), ("iss", str)], forbid_unknown_fields=True),
                "names no exp, so no token would ever fit. Write forbid_unknown_fields=False",
            ),
        ],
    )
    def test_what_claims_can_not_be_read_into(self, model, words):
        server, token = server_for(), server_for().authorize(request_for(), authenticated())
        for build in (
            lambda: server.authorize(None, "read", claims=model),
            lambda: token.claims_as(model),
        ):
            with pytest.raises(ConfigurationError) as refusal:
                build()
            assert words in str(refusal.value)

    def test_a_pydantic_model_that_names_what_is_not_there(self):
        class Me(BaseModel):
            other: "Nowhere"  # noqa: F821, UP037

        with pytest.raises(ConfigurationError, match="Nowhere"):
            server_for().authorize(None, "read", claims=Me)

    def test_a_model_is_nothing_to_ask_for(self):
        with pytest.raises(ConfigurationError, match=r"asks for nothing"):
            server_for().authorize(None, claims=PydanticMe)


def deep(levels: int) -> Any:
    value: Any = "x"
    for number in range(levels):
        value = [value] if number % 2 else {"x": value}
    return value


class AnyOf(BaseModel):
    sub: str
    x: Any = None
    n: int = 0
    tree: dict[str, Any] = {}


ANY = {
    "pydantic": AnyOf,
    "pydantic that keeps the rest": pydantic.create_model(
        "Kept", __config__=ConfigDict(extra="allow"), sub=(str, ...)
    ),
    "msgspec": msgspec.defstruct("AnyOf", [("sub", str), ("x", Any, None), ("n", int, 0), ("tree", dict, {})]),
    "dataclass": make(sub=str),
    "dataclass of anything": dataclasses.make_dataclass("AnyOf", [("sub", str), ("x", Any, None), ("n", int, 0)]),
    "TypedDict": TypedDict(
        "AnyOf", {"sub": str, "x": NotRequired[Any], "n": NotRequired[int], "self": NotRequired[Any]}
    ),
}
INTERNALS = (  # noqa: SIM905
    "self cls __class__ __init__ __dict__ __slots__ __post_init__ __hash__ copy update model_config model_fields "
    "model_extra __pydantic_fields_set__ __pydantic_private__ __pydantic_extra__ __struct_fields__ "
    "__dataclass_fields__ __required_keys__ $ `"
).split()
HOSTILE = {
    "nested to the limit": {"x": deep(30)},
    "a tree to the limit": {"tree": {"a": deep(29)}},
    "a number of 4,000 digits": {"n": 10**4000},
    "a negative one": {"n": -(10**4000)},
    "a very small fraction": {"x": 5e-324},
    "a very large one": {"x": 1.7976931348623157e308},
    "nine hundred lists": {"x": [[] for _ in range(900)]},
    "names of internals": dict.fromkeys(INTERNALS, "x"),
    "names of lines and colours": {"a\nb": 1, "\x1b[31m": 1, "\u202e": 1, "\U0010ffff": 1, "x`y": 1},
    "the name of the type": {"type": "AnyOf", "__type__": "AnyOf", "$ref": "#"},
}


class TestHostileClaims:
    @pytest.mark.parametrize("claims", HOSTILE.values(), ids=HOSTILE)
    @pytest.mark.parametrize("model", ANY.values(), ids=ANY)
    def test_are_read(self, model, claims, caplog):
        value = value_of(claims, model)
        assert (value["sub"] if isinstance(value, dict) else value.sub) == "user-1"
        assert isinstance(value, dict) or type(value) is model
        assert caplog.records == []

    @pytest.mark.parametrize("claims", HOSTILE.values(), ids=HOSTILE)
    @every_kind
    def test_beside_claims_that_do_not_fit_forge_no_line(self, model, claims, caplog):
        denied = refused({**claims, ROLES: claims}, model)
        assert (denied.status, denied.finding.code) == (401, Code.CLAIMS_MISMATCH)
        assert str(denied).isprintable()
        assert len(str(denied)) < 1_000
        assert not [record for record in caplog.records if record.exc_info]

    @pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\u202e", "x" * 5_000, "a`b", " - at `$`"])
    def test_a_name_that_is_forbidden_forges_no_line(self, name):
        for model in (
            pydantic.create_model(
                "Me",
                __config__=ConfigDict(extra="forbid"),
                **dict.fromkeys(("iss", "sub", "aud", "exp", "iat", "jti"), (Any, None)),
            ),
            msgspec.defstruct(
                "Me",
                [(each, Any, None) for each in ("iss", "sub", "aud", "exp", "iat", "jti")],
                forbid_unknown_fields=True,
            ),
        ):
            finding = refused({name: 1}, model).finding
            assert finding.detail.isprintable()
            assert len(finding.detail) < 400
            assert finding.claim

    @every_kind
    def test_thousands_of_wrong_elements_are_told_in_one_line(self, model):
        said = str(refused({ROLES: [5] * 3_000}, model))
        assert len(said) < 1_000

    def test_a_recursive_model_reads_what_is_nested_to_the_limit(self):
        branch: Any = {"name": "leaf"}
        for _ in range(14):
            branch = {"name": "branch", "below": [branch]}
        model = dataclasses.make_dataclass("Me", [("tree", Tree)])
        me = value_of({"tree": branch}, model)
        depth = 0
        while me.tree.below:
            me.tree, depth = me.tree.below[0], depth + 1
        assert depth == 14

    def test_a_hash_that_raises_is_no_reason_to_fail(self):
        @dataclass(frozen=True)
        class Me:
            sub: str

            def __hash__(self):
                raise ZeroDivisionError

        token = token_of({}, Me)
        assert token.claims_as(Me) == token.claims_as(Me)
        assert token.claims_as(Me) is not token.claims_as(Me)
