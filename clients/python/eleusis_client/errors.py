"""What can go wrong: the server says why (Problem), or says nothing (NoAnswer)."""

from dataclasses import dataclass, field

import httpx


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
        return cls(
            status=reply.status_code,
            type=str(document.get("type", "about:blank")).rsplit("/", 1)[-1],
            title=str(document.get("title", reply.reason_phrase)),
            detail=str(document.get("detail", "")),
            errors=document.get("errors", []),
            request_id=reply.headers.get("x-request-id", ""),
            retry_after=float(wait) if wait.isdigit() else None,
        )


class NoAnswer(Exception):
    """No reply after all attempts; `__cause__` says why. A write may or may not have happened:
    repeat it with `idempotency_key` to find out."""

    def __init__(self, why: str, idempotency_key: str | None):
        super().__init__(f"no answer from the server: {why}")
        self.idempotency_key = idempotency_key
