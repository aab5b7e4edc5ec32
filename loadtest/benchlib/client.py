"""A client of the API for setting up a load test: standard library only."""

import http.client
import json
import os
import secrets
import ssl
import subprocess
import tempfile
from urllib.parse import urlsplit


class ApiError(Exception):
    """The server answered something else than was needed."""


class Client:
    """One keep-alive connection that trusts only the given CA."""

    def __init__(self, url: str, ca: str):
        where = urlsplit(url)
        if where.scheme != "https" or not where.hostname:
            raise ApiError(f"not an https URL: {url}")
        self.http = http.client.HTTPSConnection(
            where.hostname,
            where.port or 443,
            timeout=30,
            context=ssl.create_default_context(cafile=ca),
        )
        self.token = ""

    def exchange(self, method: str, path: str, body: object = None, expect: int = 200) -> bytes:
        """The reply's body; ApiError when the status is another than expected."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        self.http.request(method, path, data, headers)
        reply = self.http.getresponse()
        text = reply.read()
        if reply.status != expect:
            raise ApiError(
                f"{method} {path}: {reply.status}: {text[:400].decode(errors='replace')}"
            )
        return text

    def call(self, method: str, path: str, body: object = None, expect: int = 200) -> dict:
        """The same for a JSON reply."""
        text = self.exchange(method, path, body, expect)
        try:
            return json.loads(text) if text else {}
        except ValueError as error:
            raise ApiError(f"{method} {path}: not JSON: {error}") from error

    def login(self, email: str, password: str) -> None:
        """A bearer session; a one-time password is changed first."""
        body = {"email": email, "password": password, "mode": "bearer"}
        reply = self.call("POST", "/v1/auth/login", body)
        self.token = reply["token"]
        if not reply["password_change_required"]:
            return
        changed = {"current_password": password, "new_password": secrets.token_urlsafe(24)}
        self.call("POST", "/v1/auth/password", changed, expect=204)
        self.token = ""
        self.login(email, changed["new_password"])


def make_clinician(ctl: str) -> tuple[str, str]:
    """Create a user with eleusisctl, whose settings are in the environment."""
    email = f"bench-{secrets.token_hex(6)}@eleusis.localhost"
    password = secrets.token_urlsafe(24)
    with tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".pw") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(password + "\n")
        file.flush()
        options = ["--email", email, "--name", "Load test", "--role", "clinician"]
        options += ["--password-file", file.name]
        subprocess.run(
            [ctl, "user", "create", *options],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
    return email, password
