"""Chromium's DevTools protocol over a pair of pipes: no port, no driver, no library.

One thread of control: events that come while an answer is waited for are given to the listener
of their session, in order.
"""

import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

ANSWER_SECONDS = 30
END_SECONDS = 10
# Chromium reads commands from descriptor 3 and writes to descriptor 4.
LAUNCH = 'exec "$@" 3<&"$DEVTOOLS_IN" 4>&"$DEVTOOLS_OUT"'


class DevToolsError(Exception):
    """A command that Chromium refused."""


def pipe() -> tuple[int, int]:
    """Both ends out of the way of the descriptors that Chromium wants."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends)
    for end in ends:
        os.close(end)
    return high


class DevTools:
    def __init__(self, command: list[str], env: dict[str, str], log: Path):
        child_in, self.write_end = pipe()
        self.read_end, child_out = pipe()
        descriptors = {"DEVTOOLS_IN": str(child_in), "DEVTOOLS_OUT": str(child_out)}
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                ["bash", "-c", LAUNCH, "bash", *command],
                env=env | descriptors,
                pass_fds=(child_in, child_out),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        os.close(child_in)
        os.close(child_out)
        self.numbers = count(1)
        self.received = b""
        self.listeners: dict[str, Callable[[str, dict], None]] = {}

    def send(self, method: str, session: str | None = None, **params) -> dict:
        """One command; its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write_end, data) :]
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            answer = self.next_message(deadline, method)
            if answer.get("id") != number:
                self.dispatch(answer)
            elif "error" in answer:
                raise DevToolsError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def dispatch(self, message: dict) -> None:
        listener = self.listeners.get(message.get("sessionId", ""))
        if listener and "method" in message:
            listener(message["method"], message["params"])

    def next_message(self, deadline: float, what: str) -> dict:
        while b"\0" not in self.received:
            left = deadline - time.monotonic()
            assert left > 0, f"Chromium does not answer {what}"
            if not select.select([self.read_end], [], [], left)[0]:
                continue
            data = os.read(self.read_end, 1 << 16)
            assert data, f"Chromium has gone, at {what}"
            self.received += data
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)

    def close(self) -> None:
        """Ends Chromium and waits for it."""
        try:
            self.send("Browser.close")
        except (AssertionError, OSError):
            self.process.kill()
        for end in (self.write_end, self.read_end):
            os.close(end)
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
