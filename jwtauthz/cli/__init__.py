"""The command line: `jwtauthz demo`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say what it needs to run."""
    try:
        from .commands import cli
    except ModuleNotFoundError as missing:
        if missing.name not in {"click", "rich"}:
            raise
        sys.exit(f"The command line needs {missing.name}. Write: pip install 'jwtauthz[cli]'")
    cli()
