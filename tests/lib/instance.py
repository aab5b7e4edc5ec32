"""The instance under test: its settings, servers and processes.

`dev test` prepares it under var/test and names its settings file in
ELEUSIS_TEST_ENV. All that the tests do to its processes is in this file.
"""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import redis

from lib import process
from lib.client import Api
from lib.logs import read_log
from lib.process import wait_until
from lib.tables import ROOT

START_SECONDS = 60
STOP_SECONDS = 40
RECOVERY_SECONDS = 5


def read_env(path: Path) -> dict[str, str]:
    """`export NAME=VALUE` lines in shell quoting."""
    found = {}
    for line in path.read_text().splitlines():
        words = shlex.split(line, comments=True)
        for word in words[1:] if words[:1] == ["export"] else words:
            name, _, value = word.partition("=")
            found[name] = value
    return found


class Instance:
    def __init__(self, env_file: Path):
        self.env = read_env(env_file)
        self.var = Path(self.env["ELEUSIS_VAR"])
        self.keys = Path(self.env["ELEUSIS_KEY_DIR"])
        self.build = ROOT / self.env["ELEUSIS_BUILD"]
        self.url = self.env["ELEUSIS_URL"]
        self.ca = self.env["ELEUSIS_CA"]
        self.pid_file = Path(self.env["KORE_PIDFILE"])
        self.output = self.var / "log" / "eleusis.log"
        self.log_file = Path(self.env.get("ELEUSIS_LOG_FILE") or self.output)

    @property
    def sanitized(self) -> bool:
        """The build with sanitizers: no sandbox, and the module is never unloaded."""
        return self.build.name == "build-asan"

    # ---- settings ------------------------------------------------------------

    def secret(self, setting: str) -> str:
        """The contents of a password file named by a setting."""
        path = self.env.get(setting, "")
        return Path(path).read_text().strip() if path else ""

    def dsn(self, user: str, password: str) -> str:
        return psycopg.conninfo.make_conninfo(
            host=self.env["ELEUSIS_DB_HOST"],
            port=self.env["ELEUSIS_DB_PORT"],
            dbname=self.env["ELEUSIS_DB_NAME"],
            user=user,
            password=password,
        )

    @property
    def server_dsn(self) -> str:
        return self.dsn(self.env["ELEUSIS_DB_USER"], self.secret("ELEUSIS_DB_PASSWORD_FILE"))

    @property
    def owner_dsn(self) -> str:
        return self.dsn(self.env["ELEUSIS_DB_OWNER"], self.secret("ELEUSIS_DB_OWNER_PASSWORD_FILE"))

    @property
    def superuser_dsn(self) -> str:
        return self.dsn("postgres", (self.keys / "pg_superuser.pw").read_text().strip())

    @property
    def redis(self) -> dict:
        return {
            "host": self.env["ELEUSIS_REDIS_HOST"],
            "port": int(self.env["ELEUSIS_REDIS_PORT"]),
            "password": self.secret("ELEUSIS_REDIS_PASSWORD_FILE") or None,
        }

    @property
    def address(self) -> tuple[str, int]:
        where = urlsplit(self.url)
        return where.hostname, where.port

    # ---- eleusisctl ------------------------------------------------------------

    def ctl(
        self, *args: str, input: str | None = None, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess:
        """Run eleusisctl on this instance."""
        done = subprocess.run(
            [self.build / "eleusisctl", *args],
            env=os.environ | self.env | env,
            cwd=ROOT,
            input=input,
            text=True,
            capture_output=True,
            timeout=60,
        )
        if check:
            assert done.returncode == 0, f"eleusisctl {args}: {done.stdout}{done.stderr}"
        return done

    # ---- the Kore process --------------------------------------------------------

    def parent_pid(self) -> int:
        """The server's parent process; 0 when it does not run."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int(self.pid_file.read_text())
            return pid if process.alive(pid) else 0
        return 0

    def worker_pids(self) -> list[int]:
        """Request workers: children that are not the key manager."""
        parent = self.parent_pid()
        found = process.children(parent) if parent else []
        return [pid for pid in found if "[wrk " in process.title(pid)]

    def command(self) -> list[str]:
        """As dev.d/server.sh starts it."""
        flags = shlex.split(self.env.get("KORE_FLAGS", ""))
        return [str(self.build / "kore/kore"), "-f", *flags, "-c", str(ROOT / "kore.conf")]

    def spawn(self, **env: str) -> subprocess.Popen:
        """Start the server's parent; does not wait for it."""
        with self.output.open("ab") as out:
            return subprocess.Popen(
                self.command(),
                env=os.environ | self.env | env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start(self, **env: str) -> None:
        """Start the server and wait until it is ready."""
        child = self.spawn(**env)
        wait_until(
            lambda: self.healthy() or child.poll() is not None, START_SECONDS, "the server's start"
        )
        assert child.poll() is None, f"the server ended with {child.returncode}: {self.tail()}"

    def stop(self) -> None:
        """SIGTERM, and wait until parent and workers are gone."""
        parent = self.parent_pid()
        if parent:
            pids = [parent, *process.children(parent)]
            process.end(parent, signal.SIGTERM, STOP_SECONDS)
            for pid in pids:
                wait_until(lambda p=pid: process.reaped(p), STOP_SECONDS, f"the end of {pid}")
        wait_until(lambda: not self.listening(), 5, "the closing of the port")

    def restart(self, **env: str) -> None:
        self.stop()
        self.start(**env)

    def ensure_running(self) -> None:
        """Everything up again, whatever state a failed test left behind."""
        if self.healthy():
            return
        if not self.postgres_answers():
            self.start_postgres()
        if not self.redis_answers():
            self.start_redis()
        with contextlib.suppress(AssertionError):
            wait_until(self.healthy, RECOVERY_SECONDS, "readiness", 0.1)
            return
        try:
            self.stop()
        except AssertionError:
            self.kill_all()
        self.start()

    def kill_all(self) -> None:
        """The server's session, and whoever else still holds its port."""
        pids = set(process.listeners(self.address[1]))
        with contextlib.suppress(FileNotFoundError, ValueError):
            pids |= set(process.session(int(self.pid_file.read_text())))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.listening(), 5, "the closing of the port")

    def listening(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(self.address, timeout=2):
            return True
        return False

    def healthy(self) -> bool:
        """Ready by its own word."""
        with Api(self) as api, contextlib.suppress(httpx.TransportError):
            return api.get("/health/ready").status_code == 200
        return False

    # ---- what it wrote -------------------------------------------------------------

    def log_size(self) -> int:
        return self.log_file.stat().st_size if self.log_file.exists() else 0

    def log_lines(self, since: int = 0) -> list[dict]:
        """Parsed log lines from a byte offset on; waits out the buffering."""
        time.sleep(0.15)
        return read_log(self.log_file, since)

    def tail(self, size: int = 3000) -> str:
        return self.output.read_text(errors="replace")[-size:] if self.output.exists() else ""

    def sanitizer_reports(self) -> list[str]:
        """What ASAN or UBSAN said since the run began."""
        files = [p for kind in ("asan", "ubsan") for p in (self.var / "log").glob(f"{kind}.*")]
        return [f"{p}: {p.read_text(errors='replace')[:2000]}" for p in files]

    # ---- PostgreSQL and Redis --------------------------------------------------------

    def service(self, name: str, action: str) -> None:
        """`./dev service` on this instance."""
        done = subprocess.run(
            [ROOT / "dev", "service", name, action],
            env=os.environ | self.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, f"{name} {action}: {done.stdout}{done.stderr}"

    def stop_postgres(self) -> None:
        """Fast shutdown: connections are cut, data is safe."""
        self.service("postgres", "stop")

    def start_postgres(self) -> None:
        self.service("postgres", "start")
        assert self.postgres_answers()

    def postgres_pid(self) -> int:
        return int((self.var / "pg/data/postmaster.pid").read_text().split()[0])

    def postgres_answers(self) -> bool:
        try:
            psycopg.connect(self.superuser_dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop_redis(self) -> None:
        self.service("redis", "stop")

    def start_redis(self) -> None:
        self.service("redis", "start")
        assert self.redis_answers()

    def redis_answers(self) -> bool:
        try:
            with redis.Redis(**self.redis, socket_timeout=2) as r:
                return bool(r.ping())
        except redis.RedisError:
            return False
