"""Runs `issuer.mjs`: oidc-provider, the certified OpenID Connect server for Node, on loopback.

Tests get it as a fixture; `examples/with_real_issuer.py` runs the examples with it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
OLDEST_NODE = 18


class CannotRun(Exception):
    """This machine lacks something; the text says what."""


def find_node() -> str:
    """The path of Node, with the issuer's packages installed. Raises CannotRun."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise CannotRun("a real issuer needs Node and npm on the path")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        raise CannotRun(f"a real issuer needs Node {OLDEST_NODE} or newer, this is {version}")
    if not _are_installed():
        done = subprocess.run([npm, "ci"], cwd=HERE, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise CannotRun(f"`npm ci` in tests/real_issuer failed: {done.stderr.strip()[-500:]}")
    return node


def _are_installed() -> bool:
    """Whether the very versions that `package.json` pins are there."""
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]
    return all(_installed(name) == version for name, version in pinned.items())


def _installed(package: str) -> str | None:
    there = HERE / "node_modules" / package / "package.json"
    return str(json.loads(there.read_text())["version"]) if there.exists() else None


class RealIssuer:
    """The issuer's process, and a client that asks it for tokens.

    Args:
        node: The path of the Node executable.
        folder: Where it keeps its keys and its log.
    """

    def __init__(self, node: str, folder: Path) -> None:
        self._keys = folder / "keys.json"
        self._command = [node, "issuer.mjs", "--keys", str(self._keys)]
        self._log = folder / "issuer.log"
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self._jwks_path = "/jwks"
        self.client = ("", "")
        self.browser_client_id = ""
        self.url = ""
        self.audience = ""

    def start(self) -> None:
        """Listen; after `stop` on the same port and with the same keys."""
        # Node 20 has been seen to hang before it ran a line of ours, once in a hundred starts.
        ready = self._begin(10) or self._begin(10) or self._begin(30)
        if ready is None:
            raise RuntimeError(f"the issuer ended without a word; its log:\n{self._log.read_text()}")
        self.url, self.audience = ready["ready"], ready["audience"]
        self.client = (ready["client_id"], ready["client_secret"])
        self.browser_client_id = ready["browser_client_id"]
        self._port = httpx.URL(self.url).port or 0

    def _begin(self, patience: float) -> dict[str, Any] | None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(self._port), "--jwks-path", self._jwks_path],
                cwd=HERE,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self._read_answer(patience)

    def stop(self) -> None:
        """End the process, as in an outage; no effect while there is none."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate(timeout=10)  # closes stdin, which is the word for it to end

    def restart_with_new_keys(self) -> None:
        """End, lose the keys, and come back: how an issuer rotates without overlap."""
        self.stop()
        self._keys.unlink()
        self.start()

    def rotate(self, *, keep_old: bool = True) -> str:
        """Sign with a new key from now on, and return its key ID."""
        return str(self._tell("rotate" if keep_old else "rotate forget")["kid"])

    def move_jwks(self, path: str) -> None:
        """Publish the keys under another path from now on; the metadata say so, the old path is gone."""
        self._jwks_path = str(self._tell(f"move {path}")["jwks_path"])

    def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        answer = httpx.get(f"{self.url}/.well-known/openid-configuration", trust_env=False)
        document: dict[str, Any] = answer.raise_for_status().json()
        return document

    def jwks(self) -> dict[str, Any]:
        """The published JWKS."""
        answer = httpx.get(self.metadata()["jwks_uri"], trust_env=False)
        document: dict[str, Any] = answer.raise_for_status().json()
        return document

    def token(self, scope: str = "read:users", *, audience: str | None = None) -> str:
        """An access token, fetched with client credentials (RFC 6749 section 4.4, RFC 8707)."""
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "resource": self.audience if audience is None else audience,
        }
        answer = httpx.post(self.metadata()["token_endpoint"], data=form, auth=self.client, trust_env=False)
        return str(answer.raise_for_status().json()["access_token"])

    def _tell(self, command: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        answer = self._read_answer(30)
        if answer is None:
            raise RuntimeError(f"the issuer does not answer; its log:\n{self._log.read_text()}")
        return answer

    def _read_answer(self, patience: float) -> dict[str, Any] | None:
        """Its next line; None, and it is ended, if there is none after so many seconds."""
        assert self._process is not None
        assert self._process.stdout is not None
        watchdog = threading.Timer(patience, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            self.stop()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer
