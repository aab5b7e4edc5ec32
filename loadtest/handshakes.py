"""TLS handshakes a second: new sessions and resumed ones, side by side.

    . var/run/env; python3 loadtest/handshakes.py [--seconds 3] [--rounds 5] [--clients 4]

Several `openssl s_time` at a time against the running server, the kinds in turn
in each round, so that what else the machine does hits them alike. A client reads
one small reply: under TLS 1.3 the next ticket comes with it. Prints the median
of the rounds with the least and the most, and the ratio of each round.
"""

import argparse
import os
import re
import statistics
import subprocess

KINDS = [("TLS 1.2", "new"), ("TLS 1.2", "reuse"), ("TLS 1.3", "new"), ("TLS 1.3", "reuse")]
CONNECTIONS = re.compile(r"^(\d+) connections in (\d+) real seconds", re.M)


def start(kind: tuple[str, str], seconds: int) -> subprocess.Popen:
    version, session = kind
    command = [
        "openssl", "s_time", "-connect", "127.0.0.1:" + os.environ["ELEUSIS_PORT"],
        "-CAfile", os.environ["ELEUSIS_CA"], "-verify", "2", "-www", "/health/live",
        "-tls1_2" if version == "TLS 1.2" else "-tls1_3", f"-{session}", "-time", str(seconds),
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rate(kind: tuple[str, str], seconds: int, clients: int) -> float:
    """Handshakes a second of all clients together."""
    running = [start(kind, seconds) for _ in range(clients)]
    total = 0.0
    for child in running:
        out, _ = child.communicate(timeout=seconds + 30)
        found = CONNECTIONS.search(out)
        if child.returncode != 0 or not found:
            raise SystemExit(f"s_time failed: {out[-400:]}")
        total += int(found[1]) / int(found[2])
    return total


def spread(values: list[float], form: str) -> str:
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({least:{form}} to {most:{form}})"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--clients", type=int, default=4)
    given = options.parse_args()
    rates: dict[tuple[str, str], list[float]] = {kind: [] for kind in KINDS}
    for _ in range(given.rounds):
        for kind in KINDS:
            rates[kind].append(rate(kind, given.seconds, given.clients))
    print(f"handshakes a second, {given.clients} clients, {given.rounds} rounds")
    for version in ("TLS 1.2", "TLS 1.3"):
        new, again = rates[version, "new"], rates[version, "reuse"]
        ratios = [b / a for a, b in zip(new, again, strict=True)]
        print(f"  {version}  new      {spread(new, '.0f')}")
        print(f"  {version}  resumed  {spread(again, '.0f')}  ratio {spread(ratios, '.2f')}")


if __name__ == "__main__":
    main()
