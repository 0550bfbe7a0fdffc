"""The inputs under corpus/, as they are and spoilt in small ways: in seconds what `make fuzz` does for long."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from fuzz.targets import TARGETS, run

CORPUS = Path(__file__).with_name("corpus")
SPOILT = 2_000
# What breaks parsers, whatever they read.
ODD = rb'\u0000 \ud800 { [[ } , . = " -1 1e999 null true NaN 0 %00 ; Bearer ey'.split()
ODD += [b"\0", b"\xff", b"\n", b" ", b"9" * 25, b"A" * 100]
# Values of JSON, and what may stand in the place of one.
VALUE = re.compile(rb'"[^"\\]*"|-?[0-9.]+|null|true|\[\]|\{\}')
VALUES = rb'null true 0 -1 1e308 1.5 "" "\u0000" "\u2028" [] [[]] {} {"":0}'.split()
VALUES += [b"9" * 25, b'" "']


def test_every_target_has_a_corpus():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}: {path.name}")
def test_as_it_is(path):
    run(path.parent.name, path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt(name):
    seeds = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    random = Random(name)
    for _ in range(SPOILT):
        data = random.choice(seeds)
        for _ in range(random.randint(1, 4)):
            data = spoilt(data, random.choice(seeds), random)
        try:
            run(name, data)
        except BaseException as error:
            error.add_note(f"the input was {data!r}")
            raise


def spoilt(data: bytes, other: bytes, random: Random) -> bytes:
    begin, end = sorted(random.randint(0, len(data)) for _ in range(2))
    match random.randrange(8):
        case 0:
            return data[:begin] + random.choice(ODD) + data[begin:]
        case 1:
            return data[:begin] + random.choice(ODD) + data[end:]
        case 2:
            return data[:begin] + data[end:]
        case 3:
            return data[:end] + data[begin:]
        case 4:
            return data[:begin] + other[random.randint(0, len(other)) :]
        case _:  # what is JSON stays JSON
            places = list(VALUE.finditer(data))
            if not places:
                return data
            begin, end = random.choice(places).span()
            return data[:begin] + random.choice([*VALUES, *VALUE.findall(other)]) + data[end:]


def test_a_parser_that_raises_would_be_noticed(monkeypatch):
    def broken(data: bytes) -> None:
        data.decode()

    monkeypatch.setitem(TARGETS, "token", broken)
    with pytest.raises(UnicodeDecodeError):
        test_spoilt("token")
