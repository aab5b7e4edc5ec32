"""The server's log: JSON lines with Elastic Common Schema names.

Kore's own words (start, stop, a worker's death) go to the same output as
plain text; a line that begins like JSON must be JSON.
"""

import json
from pathlib import Path


def read_log(path: Path, since: int = 0) -> list[dict]:
    """Every whole JSON line from a byte offset on."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(since)
        data = file.read()
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    return [json.loads(line) for line in lines if line.startswith(b"{")]


def requests(lines: list[dict]) -> list[dict]:
    """The lines of finished requests."""
    return [line for line in lines if line.get("event.action") == "http.request"]


def server_faults(lines: list[dict]) -> list[dict]:
    """Requests that were answered with 500."""
    return [line for line in requests(lines) if line.get("http.response.status_code") == 500]
