"""`python -m tests.fuzz --minutes 10`: look for bytes that break what `targets.py` asserts.

It learns which inputs reach new code (atheris, libFuzzer), begins with those under `corpus/`, and keeps what it
finds in `.fuzz/` for the next time. An input that breaks something is written there too, and named: once it is
mended, move it into the corpus, where a test keeps the mistake out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".fuzz"
NAMES = sorted(path.name for path in (HERE / "corpus").iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=NAMES, help=f"all by default: {', '.join(NAMES)}")
    parser.add_argument(
        "--minutes", type=float, default=10, help="for all of them together (default: %(default)s)"
    )
    options = parser.parse_args()
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    seconds = max(1, int(options.minutes * 60 / len(options.targets)))
    # A process for each: libFuzzer never comes back.
    broken = [name for name in options.targets if subprocess.call(command(name, seconds))]
    print("broken: " + ", ".join(broken) if broken else f"{len(options.targets)} targets held")
    sys.exit(bool(broken))


def command(name: str, seconds: int) -> list[str]:
    found = KEPT / name
    found.mkdir(parents=True, exist_ok=True)
    limits = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-max_len=20000",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    places = [f"-artifact_prefix={KEPT}/{name}-", str(found), str(HERE / "corpus" / name)]
    return [sys.executable, "-m", "tests.fuzz.one", name, *limits, *places]


if __name__ == "__main__":
    main()
