"""A browser for each file of tests, in which nobody is signed in anywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .chromium import chromium, find_chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .chromium import Tab


@pytest.fixture(scope="module")
def tab(cannot_run) -> Iterator[Tab]:
    program = find_chromium()
    if program is None:
        cannot_run("there is no chromium; on Debian: apt-get install chromium")
    with chromium(program) as tab:
        yield tab


@pytest.fixture
def keep_picture(tab, tmp_path) -> Callable[[str], None]:
    """Takes a picture; it is kept in the folder PICTURES, if the environment names one."""

    def keep(name: str) -> None:
        folder = Path(os.environ.get("PICTURES", tmp_path))
        assert tab.picture(folder / name).stat().st_size > 1000

    return keep
