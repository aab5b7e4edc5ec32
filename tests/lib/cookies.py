"""A client that logs in as a browser does: a cookie, and a CSRF token to go with it."""

import httpx

from lib.client import Api

COOKIE = "__Host-eleusis"
DEVICE_COOKIE = "__Host-eleusis-device"


class Browser(Api):
    """A cookie session, with its CSRF token."""

    def enter(self, email: str, password: str) -> "Browser":
        body = {"email": email, "password": password, "mode": "cookie"}
        self.first = self.post("/v1/auth/login", body)
        assert self.first.status_code == 200, self.first.text
        self.email, self.password = email, password
        self.reply, self.user = self.first.json(), self.first.json()["user"]
        self.csrf = self.reply["csrf_token"]
        return self

    def send(self, method: str, path: str, **more) -> httpx.Response:
        """With the CSRF token."""
        return self.http.request(method, path, headers={"x-csrf-token": self.csrf}, **more)

    @property
    def cookie(self) -> str:
        return self.http.cookies[COOKIE]
