"""Which issuers a pattern means, and what an issuer's URL must look like before anybody is asked about it.

`iss` is chosen by whoever wrote the token, long before a signature is looked at. So what is matched is narrow: a
star is one label of a host or one segment of a path, in small ASCII letters, digits and hyphens, and never
more than that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .errors import ConfigurationError
from .keys.urls import is_loopback, problem_with

if TYPE_CHECKING:
    from typing import Self

MAX_ISSUER: Final = 512
"""Characters of an `iss` that is looked at; longer ones are nobody's."""
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# No dot at the beginning: neither `..` nor `.well-known` is the name of a tenant.
_SEGMENT: Final = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}"
# A name that begins its last label with a letter is no IP address, however that is spelled.
_SOUND: Final = re.compile(
    rf"https://(?:{_LABEL}\.)+(?=[a-z]){_LABEL}(?::[1-9][0-9]{{0,4}})?(?:/{_SEGMENT})*/?", re.ASCII
)


def is_sound(iss: str, *, private: bool = False) -> bool:
    """Whether an `iss` is an https URL of a named host, with nothing in it that could be read in two ways.

    With `private`, hosts may be addresses too, and http will do on loopback.
    """
    if len(iss) > MAX_ISSUER:
        return False
    if _SOUND.fullmatch(iss) is not None:
        return problem_with(iss, query_allowed=False) is None  # a port may still be none
    return private and is_loopback(iss) and problem_with(iss, query_allowed=False) is None


@dataclass(frozen=True, slots=True)
class IssuerPattern:
    """An issuer's URL in which a star stands for one label of the host, or one segment of the path.

    Attributes:
        text: the pattern as it was written.
        regex: what it matches; the whole `iss`, code point by code point but for the stars.
        is_exact: whether it has no star, and so means one issuer.
        any_host: whether a star stands in the host, so that a stranger has a say in whom we connect to.
    """

    text: str
    regex: re.Pattern[str]
    is_exact: bool
    any_host: bool

    @classmethod
    def of(cls, text: object) -> Self:
        """The pattern that a setting means.

        Raises:
            ConfigurationError: it is no https URL, or a star could match more than one name of an issuer.
        """
        if not isinstance(text, str) or not text.strip():
            raise _refused(text, "names no issuer")
        problem = problem_with(text.replace("*", "x"), query_allowed=False)
        if problem is not None:
            raise _refused(text, problem)
        scheme, _, rest = text.partition("://")
        authority, slash, path = rest.partition("/")
        segments = path.split("/")
        if any("*" in segment and segment != "*" for segment in segments):
            raise _refused(text, "has a star that is a part of a segment")
        found = f"{re.escape(scheme)}://{_authority(text, scheme, authority)}{slash}" + "/".join(
            _SEGMENT if segment == "*" else re.escape(segment) for segment in segments
        )
        return cls(text, re.compile(found, re.ASCII), "*" not in text, "*" in authority)

    def matches(self, iss: str) -> bool:
        """Whether it means this issuer."""
        return len(iss) <= MAX_ISSUER and self.regex.fullmatch(iss) is not None

    def example(self) -> str:
        """One issuer that it means."""
        return self.text.replace("*", "x")


def _authority(text: str, scheme: str, authority: str) -> str:
    if "*" not in authority:
        return re.escape(authority)
    host, colon, port = authority.partition(":")
    labels = host.split(".")
    if scheme != "https":
        raise _refused(text, "has a star in its host, and is not https")
    if "*" in port or any(label != "*" and re.fullmatch(_LABEL, label) is None for label in labels):
        raise _refused(text, "has a star that is a part of a label, or a host that is no name in small letters")
    fixed = labels[len(labels) - labels[::-1].index("*") :]
    if len(fixed) < 2 or not fixed[-1][0].isalpha():
        raise _refused(text, "would mean hosts of anybody: two labels at least have to stand behind the star")
    return r"\.".join(_LABEL if label == "*" else re.escape(label) for label in labels) + re.escape(colon + port)


def _refused(text: object, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"allow={text!r} {why}. Write the URL as `iss` in the tokens says it, with a star for one whole label of "
        "the host or one whole segment of the path: 'https://*.auth.example.com/'."
    )
