"""Runs an example with an issuer of its own: oidc-provider on this machine, which needs no account anywhere.

    python examples/with_real_issuer.py spa          # a page that logs in; open the address that is printed
    python examples/with_real_issuer.py m2m          # a machine that calls an API, and ends

It needs Node and npm, and `pip install -e '.[demo]'`. The first run fetches the issuer's packages.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import uvicorn

from jwtauthz import ResourceServer
from jwtauthz.cli.apps.fastapi_app import serve

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE), str(HERE / "spa"), str(HERE / "m2m")]

import fastapi_api  # noqa: E402
import m2m_client  # noqa: E402

from real_issuer.process import CannotRun, RealIssuer, find_node  # noqa: E402


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("example", choices=EXAMPLES)
    arguments.add_argument("--port", type=int, default=8000, help="where the example listens")
    options = arguments.parse_args()
    try:
        node = find_node()
    except CannotRun as reason:
        sys.exit(f"This can't run here: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        issuer = RealIssuer(node, Path(folder))
        issuer.start()
        os.environ.update(JWTAUTHZ_ISSUER=issuer.url, JWTAUTHZ_AUDIENCE=issuer.audience)
        try:
            EXAMPLES[options.example](issuer, options.port)
        finally:
            issuer.stop()


def run_spa(issuer: RealIssuer, port: int) -> None:
    os.environ.update(SPA_CLIENT_ID=issuer.browser_client_id, SPA_ASKS=f"resource={issuer.audience}")
    say(f"Open http://127.0.0.1:{port}/ and sign in as Ada, who may do everything, or as Grace, who may not.")
    uvicorn.run("spa_app:create_app", factory=True, port=port, log_level="warning")


def run_m2m(issuer: RealIssuer, _port: int) -> None:
    with ResourceServer.from_env() as server, serve(fastapi_api.create_app(server)) as api:
        client_id, secret = issuer.client
        os.environ.update(ISSUER=issuer.url, API=api, CLIENT_ID=client_id, CLIENT_SECRET=secret)
        os.environ.update(ASKS=f"resource={issuer.audience}")
        m2m_client.main()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


EXAMPLES = {"spa": run_spa, "m2m": run_m2m}


if __name__ == "__main__":
    main()
