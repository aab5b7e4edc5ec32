"""RFC 9457 problem documents: one place that says what a right one is."""

import uuid

import httpx

from lib.tables import problems

PROBLEMS = problems()


def problem(
    reply: httpx.Response,
    slug: str,
    pointers: set[str] | None = None,
    contains: set[str] | None = None,
) -> dict:
    """Assert that the reply is this problem, in full; return its document.

    pointers: exactly these fields are named. contains: at least these.
    """
    status, title = PROBLEMS[slug]
    assert reply.status_code == status, f"{reply.status_code}, wanted {status}: {reply.text[:500]}"
    assert reply.headers["content-type"].split(";")[0] == "application/problem+json"
    document = reply.json()
    assert document["type"].rsplit("/", 1)[-1].rsplit("#", 1)[-1] == slug, document
    assert document["title"] == title
    assert document["status"] == status
    assert isinstance(document.get("detail", ""), str)
    named = [error["pointer"] for error in document.get("errors", [])]
    for error in document.get("errors", []):
        assert error["code"], error
        assert error["detail"], error
    if pointers is not None:
        assert set(named) == pointers, document
        assert len(named) == len(pointers), f"a field is named twice: {named}"
    if contains is not None:
        assert contains <= set(named), document
    return document


def traced(reply: httpx.Response) -> uuid.UUID:
    """The request's id, as every reply of the server carries it."""
    return uuid.UUID(reply.headers["x-request-id"])


def field_code(document: dict, pointer: str) -> str:
    """The mistake that a problem names at a pointer."""
    return next(e["code"] for e in document["errors"] if e["pointer"] == pointer)


def without_identity(document: dict) -> dict:
    """A problem less what differs from request to request."""
    return {k: v for k, v in document.items() if k not in ("instance", "request_id")}
