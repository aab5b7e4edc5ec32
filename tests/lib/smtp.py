"""A real mail server beside the instance: tests/tools/smtp_server.py as a process."""

import base64
import json
import socket
import subprocess
import sys
from pathlib import Path

from lib import mail
from lib.pki import Pair
from lib.process import wait_until
from lib.tables import ROOT

PROGRAM = ROOT / "tests" / "tools" / "smtp_server.py"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class MailServer:
    """Stopped and started again it keeps its port and what it has got."""

    def __init__(self, where: Path):
        self.where = where
        self.port = free_port()
        self.process = None

    def start(
        self, pair: Pair | None = None, implicit: bool = False, login: str | None = None
    ) -> None:
        command = [sys.executable, PROGRAM, str(self.port), self.where]
        if pair:
            command += ["--cert", pair.cert, "--key", pair.key]
        if implicit:
            command += ["--implicit"]
        if login:
            command += ["--login", login]
        self.process = subprocess.Popen(command, stderr=(self.where / "stderr").open("ab"))
        wait_until(self.listening, 10, "the mail server's start")

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self, *args, **how) -> None:
        self.stop()
        self.start(*args, **how)

    def listening(self) -> bool:
        assert self.process.poll() is None, (self.where / "stderr").read_text()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def answers(self, text: str | None) -> None:
        """As smtp_server.py has it: "RCPT 450 ...", "DATA stall"; None: takes everything."""
        file = self.where / "answer"
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text)

    def events(self, event: str) -> list[dict]:
        file = self.where / "events.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [e for e in map(json.loads, lines) if e["event"] == event]

    def taken(self, to: str) -> list[dict]:
        """The messages to somebody; `mail` in each is the message as it was read."""
        found = [e for e in self.events("mail") if e["to"] == [to]]
        return [e | {"mail": mail.read(base64.b64decode(e["data"]))} for e in found]

    def wait(self, to: str, seconds: float = 15) -> dict:
        return wait_until(lambda: self.taken(to), seconds, "a mail", 0.05)[0]
