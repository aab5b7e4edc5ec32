"""Processes seen through /proc: who runs, who is whose child, how they started."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")


def wait_until(
    condition: Callable[[], object], seconds: float, what: str, step: float = 0.02
) -> object:
    """Poll until the condition holds; its value. AssertionError past the bound."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(step)


def alive(pid: int) -> bool:
    """True while it runs. A zombie does not, but a killed leader is one before its other threads
    are done, and those keep its files open."""
    return bool(state := stat(pid)) and (state[0] != "Z" or len(threads(pid)) > 1)


def threads(pid: int) -> list[str]:
    try:
        return os.listdir(PROC / str(pid) / "task")
    except (FileNotFoundError, ProcessLookupError):
        return []


def stat(pid: int) -> list[str]:
    """/proc/PID/stat after the command: state, ppid, ...; [] when gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def status(pid: int) -> dict[str, str]:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return {k: v.strip() for k, _, v in (line.partition(":") for line in lines)}


def children(pid: int) -> list[int]:
    every = [(child, stat(child)) for child in running()]
    return [child for child, now in every if now and now[0] != "Z" and now[1] == str(pid)]


def title(pid: int) -> str:
    """The command line, as the process shows it."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def running() -> list[int]:
    return sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def session(leader: int) -> list[int]:
    """All of a session, also when its leader is gone."""
    return [pid for pid in running() if stat(pid)[3:4] == [str(leader)]]


def listeners(port: int) -> list[int]:
    """The processes that hold a listening TCP socket on the port."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in listing(PROC / "net" / name)]
    wanted = {f"socket:[{x[9]}]" for x in lines if x[1].endswith(f":{port:04X}") and x[3] == "0A"}
    return [pid for pid in running() if wanted & set(files(pid))]


def listing(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:] if path.exists() else []


def files(pid: int) -> list[str]:
    """What its open descriptors point to."""
    found = []
    with contextlib.suppress(OSError):
        for entry in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(entry))
    return found


def rss_kib(pid: int) -> int:
    return int(status(pid)["VmRSS"].split()[0])


def open_files(pid: int) -> int:
    return len(os.listdir(PROC / str(pid) / "fd"))


def end(pid: int, sig: int = signal.SIGTERM, seconds: float = 20) -> None:
    """Signal a process and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)
    wait_until(lambda: reaped(pid), seconds, f"the end of process {pid}")


def reaped(pid: int) -> bool:
    """True once it is gone; collects it when it is our own child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not alive(pid)
