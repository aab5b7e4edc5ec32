"""What can go wrong: the server says why (Problem), or says nothing (NoAnswer)."""

import re
from dataclasses import dataclass, field

import httpx

MAX_AGE = re.compile(r'\bmax_age="(\d+)"')


@dataclass(eq=False)
class Problem(Exception):
    """A problem document (RFC 9457). `type` is the stable part to match on."""

    status: int
    type: str
    title: str
    detail: str = ""
    errors: list[dict] = field(default_factory=list)
    request_id: str = ""
    retry_after: float | None = None

    def __str__(self) -> str:
        fields = "".join(f"\n  {e['pointer']}: {e.get('detail', '')}" for e in self.errors)
        return f"{self.status} {self.type}: {self.detail or self.title}{fields}"

    @classmethod
    def of(cls, reply: httpx.Response) -> "Problem":
        try:
            document = reply.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            document = {}  # from something between us and the server
        wait = reply.headers.get("retry-after", "")
        kind = str(document.get("type", "about:blank")).rsplit("/", 1)[-1]
        problem = (StepUpRequired if kind == "step-up-required" else cls)(
            status=reply.status_code,
            type=kind,
            title=str(document.get("title", reply.reason_phrase)),
            detail=str(document.get("detail", "")),
            errors=document.get("errors", []),
            request_id=reply.headers.get("x-request-id", ""),
            retry_after=float(wait) if wait.isdigit() else None,
        )
        if isinstance(problem, StepUpRequired):
            found = MAX_AGE.search(reply.headers.get("www-authenticate", ""))
            problem.max_age = int(found.group(1)) if found else None
        return problem


@dataclass(eq=False)
class StepUpRequired(Problem):
    """The operation is a dangerous one and wants a proof of who it is that is no older than
    `max_age` seconds (RFC 9470): call Client.step_up(), then repeat it."""

    max_age: int | None = None


class NoAnswer(Exception):
    """No reply after all attempts; `__cause__` says why. A write may or may not have happened:
    repeat it with `idempotency_key` to find out."""

    def __init__(self, why: str, idempotency_key: str | None):
        super().__init__(f"no answer from the server: {why}")
        self.idempotency_key = idempotency_key
