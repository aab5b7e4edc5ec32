"""One connection pool, one identity, and repetitions that do no harm."""

import json as jsonlib
import random
import ssl
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx

from eleusis_client.errors import NoAnswer, Problem
from eleusis_client.signing import Signer

REPEATABLE = {"rate-limited", "unavailable", "busy", "idempotency-key-in-flight"}
LONGEST_WAIT = 60.0  # seconds
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Client:
    """Talks as one API key (`api_key`), as the holder of a signing key (`signer`), or as a
    session (`Client.log_in`). Requests that are safe to repeat are repeated: reads always,
    creations because each gets an Idempotency-Key.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        signer: Signer | None = None,
        token: str | None = None,
        ca: str | None = None,
        timeout: float = 30.0,
        attempts: int = 4,
    ):
        if api_key and token:
            raise ValueError("either an API key or a session's token")
        verify = ssl.create_default_context(cafile=ca) if ca else True
        self.http = httpx.Client(base_url=url, verify=verify, timeout=timeout)
        self.signer, self.attempts = signer, attempts
        if api_key or token:
            self.http.headers["authorization"] = f"Bearer {api_key or token}"

    @classmethod
    def log_in(
        cls, url: str, email: str, password: str, *, code: str | None = None, **more: Any
    ) -> "Client":
        """A session; end it with log_out(). code: of the authenticator app, for an account that
        has one."""
        client = cls(url, **more)
        client._adopt(
            client.request("POST", "/v1/auth/login", {"email": email, "password": password})
        )
        if code is not None:
            client.step_up(code=code)
        return client

    def step_up(self, **proof: str) -> dict:
        """Show the second factor, or once more: code=, recovery_code=, or password= for those
        who have none. The session goes on under a new token."""
        return self._adopt(self.request("POST", "/v1/auth/second-factor", proof))

    def _adopt(self, reply: dict) -> dict:
        self.http.headers["authorization"] = f"Bearer {reply['token']}"
        return reply

    def log_out(self) -> None:
        self.request("POST", "/v1/auth/logout")

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- requests ------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: dict | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """One request; the document of its reply (None for 204). Raises Problem or NoAnswer."""
        fields = dict(headers or {})
        content = b"" if body is None else jsonlib.dumps(body).encode()
        if content:
            fields.setdefault("Content-Type", "application/json")
        if idempotency_key:
            fields["Idempotency-Key"] = f'"{idempotency_key}"'
        safe = method in ("GET", "HEAD") or idempotency_key is not None
        for attempt in range(1, self.attempts + 1):
            last = attempt == self.attempts
            problem = None
            try:
                reply = self._once(method, path, content, params, fields)
            except httpx.TransportError as error:
                if last or not (safe or isinstance(error, NOT_SENT)):
                    raise NoAnswer(str(error), idempotency_key) from error
            else:
                if reply.is_success:
                    return reply.json() if reply.content else None
                problem = Problem.of(reply)
                if last or not self._again(problem, safe):
                    raise problem
            self._pause(attempt, problem)
        raise ValueError("attempts must be at least 1")

    def _once(self, method, path, content, params, fields) -> httpx.Response:
        request = self.http.build_request(
            method, path, content=content or None, params=params, headers=fields
        )
        if self.signer:
            request.headers.update(
                self.signer.headers(method, str(request.url), content, request.headers)
            )
        return self.http.send(request)

    @staticmethod
    def _again(problem: Problem, safe: bool) -> bool:
        """429 was not carried out; of the others only what may be repeated."""
        if problem.retry_after is not None and problem.retry_after > LONGEST_WAIT:
            return False
        return problem.type in REPEATABLE and (safe or problem.type == "rate-limited")

    @staticmethod
    def _pause(attempt: int, problem: Problem | None) -> None:
        wait = problem.retry_after if problem and problem.retry_after else 0.2 * 2**attempt
        time.sleep(wait * random.uniform(1.0, 1.2))

    def create(self, path: str, body: Any, idempotency_key: str | None = None) -> Any:
        """POST that may be repeated: the same key gives the same reply, once carried out."""
        key = idempotency_key or str(uuid.uuid4())
        return self.request("POST", path, body, idempotency_key=key)

    def pages(self, path: str, **params: Any) -> Iterator[dict]:
        """Every item of a list, page after page."""
        while True:
            page = self.request("GET", path, params=params)
            yield from page["items"]
            if not page.get("next_cursor"):
                return
            params["cursor"] = page["next_cursor"]

    # ---- API keys, as the session of their owner -----------------------------------

    def create_key(self, key: dict, **more: Any) -> dict:
        """The only reply that has the key's text (`key`) and its `hmac_secret`."""
        return self.create("/v1/api-keys", key, **more)

    def change_key(self, key_id: str, patch: dict) -> dict:
        return self.request("PATCH", f"/v1/api-keys/{key_id}", patch)

    def rotate_key(
        self, key_id: str, overlap_seconds: int = 0, public_key: str | None = None, **more: Any
    ) -> dict:
        """New secrets; the former ones are good for so many seconds more."""
        body = {"overlap_seconds": overlap_seconds}
        if public_key:
            body["public_key"] = public_key
        return self.create(f"/v1/api-keys/{key_id}/rotate", body, **more)

    def revoke_key(self, key_id: str) -> None:
        self.request("DELETE", f"/v1/api-keys/{key_id}")

    # ---- what one does most ----------------------------------------------------

    def me(self) -> dict:
        return self.request("GET", "/v1/me")

    def create_patient(self, patient: dict, idempotency_key: str | None = None) -> dict:
        return self.create("/v1/patients", patient, idempotency_key)

    def patient(self, patient_id: str) -> dict:
        return self.request("GET", f"/v1/patients/{patient_id}")

    def patients(self, **params: Any) -> Iterator[dict]:
        return self.pages("/v1/patients", **params)

    def observe(self, patient_id: str, observation: dict, **more: Any) -> dict:
        return self.create(f"/v1/patients/{patient_id}/observations", observation, **more)

    def predict(self, model: str, patient_id: str, inputs: dict | None = None, **more: Any) -> dict:
        body = {"model": model, "patient_id": patient_id}
        if inputs is not None:
            body["inputs"] = inputs
        return self.create("/v1/predictions", body, **more)
