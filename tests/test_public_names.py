"""The names that `import jwtauthz` gives, and no others."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import jwtauthz


def test_all_is_sorted_and_names_nothing_twice():
    assert jwtauthz.__all__ == sorted(set(jwtauthz.__all__))


def test_all_names_what_is_there_and_everything_that_is_there():
    public = {
        name
        for name, value in vars(jwtauthz).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public | set(jwtauthz._WHEN_NAMED) == set(jwtauthz.__all__)


def test_what_is_imported_when_it_is_named_has_the_name_of_no_module():
    folder = Path(jwtauthz.__file__).parent
    assert not [name for name in jwtauthz._WHEN_NAMED if (folder / f"{name}.py").exists()]
    assert set(jwtauthz._WHEN_NAMED) <= set(dir(jwtauthz))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = jwtauthz.nothing


def test_every_public_name_says_what_it_is_for():
    undocumented = [name for name in jwtauthz.__all__ if not getattr(jwtauthz, name).__doc__]
    assert undocumented == []


def test_the_names_of_the_readme_are_there():
    from jwtauthz import Issuer, KeySet, Request, ResourceServer, all_of, any_of, authenticated

    assert all(map(callable, (Issuer, KeySet, Request, ResourceServer, all_of, any_of, authenticated)))
