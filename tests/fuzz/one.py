"""One target under atheris; `__main__` starts this, with what libFuzzer wants to know."""

from __future__ import annotations

import logging
import sys

try:
    import atheris
except ImportError:
    sys.exit("Fuzzing needs atheris, which is there for CPython 3.11 to 3.13 on Linux: pip install --group fuzz")

with atheris.instrument_imports(include=["jwtauthz"]):
    from tests.fuzz.targets import run

logging.disable()  # a denial each time would hide what libFuzzer tells
name = sys.argv.pop(1)
atheris.Setup(sys.argv, lambda data: run(name, data))
atheris.Fuzz()
