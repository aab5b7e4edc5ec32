"""Runs wrk once, and tells what it measured and who used the processors."""

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LUA = Path(__file__).resolve().parent.parent
MARK = "BENCH "
TICKS = os.sysconf("SC_CLK_TCK")


class WrkError(Exception):
    """wrk could not run, or said something unexpected."""


@dataclass(frozen=True)
class Scenario:
    key: str  # a, b, c, …
    title: str
    url: str
    script: str
    env: dict[str, str] = field(default_factory=dict)
    renew: Callable[[], dict[str, str]] | None = None  # made anew for each run: more of env


@dataclass(frozen=True)
class Run:
    """One run: times in ms, errors by kind, CPU share by program."""

    rate: float
    p50: float
    p95: float
    p99: float
    errors: dict[str, int]
    cpu: dict[str, float]

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


def raise_file_limit(connections: int) -> None:
    """wrk needs a descriptor a connection."""
    want = connections + 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < want:
        raise WrkError(f"{connections} connections need `ulimit -Hn` of {want}; it is {hard}")
    if soft != resource.RLIM_INFINITY and soft < want:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))


def cpu_seconds() -> dict[int, tuple[str, float]]:
    """Process id -> program name and the CPU time it has used."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # ended meanwhile
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text[text.rindex(")") + 2 :].split()
        found[int(stat.parent.name)] = (name, (int(fields[11]) + int(fields[12])) / TICKS)
    return found


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_share(before: dict, after: dict, wrk: float, seconds: float) -> dict[str, float]:
    """Share of all processors by program, largest first."""
    used = {"wrk": wrk}
    for pid, (name, total) in after.items():
        known = before.get(pid, ("", 0.0))[1]
        used[name] = used.get(name, 0.0) + total - known
    whole = seconds * (os.cpu_count() or 1)
    shares = {name: time_used / whole for name, time_used in used.items()}
    return {n: s for n, s in sorted(shares.items(), key=lambda x: -x[1]) if s >= 0.005}


def parse(output: str) -> dict:
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if len(lines) != 1:
        raise WrkError(f"wrk printed no measurement: {output[-800:]}")
    return json.loads(lines[0].removeprefix(MARK))


def run(scenario: Scenario, connections: int, seconds: float, threads: int) -> Run:
    """The token travels in the environment, where others cannot read it."""
    command = ["wrk", f"-t{min(threads, connections)}", f"-c{connections}"]
    command += [f"-d{seconds:g}s", "--timeout", "10s"]
    command += ["-s", str(LUA / scenario.script), scenario.url]
    env = os.environ | {"BENCH_LUA": str(LUA), "BENCH_THREADS": str(min(threads, connections))}
    env |= scenario.env | (scenario.renew() if scenario.renew else {})
    before, wrk_before, start = cpu_seconds(), children_seconds(), time.monotonic()
    done = subprocess.run(
        command, env=env, text=True, capture_output=True, timeout=seconds + 60, check=False
    )
    took = time.monotonic() - start
    wrk_used = children_seconds() - wrk_before
    if done.returncode != 0:
        raise WrkError(f"{scenario.title}: {done.stdout}{done.stderr}")
    m = parse(done.stdout)
    return Run(
        rate=m["requests"] / (m["duration_us"] / 1e6),
        p50=m["p50_us"] / 1e3,
        p95=m["p95_us"] / 1e3,
        p99=m["p99_us"] / 1e3,
        errors=m["errors"],
        cpu=cpu_share(before, cpu_seconds(), wrk_used, took),
    )
