"""What replies say of rate limits, and what a limit let through."""

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

ITEM = re.compile(r'"([a-z-]+)"((?:;[a-z]+=\d+)+)(?:, |$)')


def items(field: str) -> dict[str, dict[str, int]]:
    """A list of strings with integer parameters (RFC 9651), all of it."""
    found = ITEM.findall(field)
    assert "".join(f'"{n}"{p}' for n, p in found) == field.replace(", ", ""), field
    return {
        name: {k: int(v) for k, v in (p.split("=") for p in params.split(";")[1:])}
        for name, params in found
    }


def policies(reply: httpx.Response) -> dict[str, dict[str, int]]:
    return items(reply.headers["ratelimit-policy"])


def left(reply: httpx.Response) -> dict[str, dict[str, int]]:
    return items(reply.headers["ratelimit"])


def violated(reply: httpx.Response) -> list[str]:
    """The policies a 429 names; asserts that all of the reply agrees."""
    assert reply.status_code == 429, reply.text
    names = reply.json()["violated-policies"]
    wait = int(reply.headers["retry-after"])
    assert wait >= 1
    assert set(names) == set(left(reply)) <= set(policies(reply))
    assert max(item["t"] for item in left(reply).values()) == wait
    return names


@dataclass
class Flood:
    statuses: Counter
    seconds: float  # from the first reply that was allowed to the last one
    replies: list[httpx.Response]

    @property
    def allowed(self) -> int:
        return sum(n for status, n in self.statuses.items() if status < 400)


def flood(ask, *, threads: int, seconds: float = 0, each: int = 0) -> Flood:
    """Calls ask(number of thread) from threads, for a time or so often each."""
    start = time.monotonic()

    def work(number: int) -> list[tuple[float, httpx.Response]]:
        replies = []
        while len(replies) < each or time.monotonic() - start < seconds:
            reply = ask(number)
            replies.append((time.monotonic() - start, reply))
        return replies

    with ThreadPoolExecutor(threads) as pool:
        done = [one for many in pool.map(work, range(threads)) for one in many]
    allowed = [at for at, reply in done if reply.status_code < 400]
    span = max(allowed) - min(allowed) if allowed else 0.0
    return Flood(Counter(r.status_code for _, r in done), span, [r for _, r in done])
