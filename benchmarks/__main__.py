"""Run a benchmark by name. A module of this package that has `main(arguments)` is one; its docstring names it."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def names() -> list[str]:
    return sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")
    )


def main(arguments: list[str]) -> int:
    if arguments == ["all"]:
        return max(importlib.import_module(f"benchmarks.{name}").main([]) for name in names())
    if not arguments or arguments[0] not in names():
        print("usage: python -m benchmarks all | NAME [--help | options]\n")
        for name in names():
            about = (importlib.import_module(f"benchmarks.{name}").__doc__ or "").partition("\n")[0]
            print(f"  {name:<14} {about}")
        return 0 if arguments in ([], ["--help"]) else 2
    return importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
