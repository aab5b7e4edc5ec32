"""The command line of the load test: sets up, measures in rounds, reports."""

import argparse
import http.client
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from benchlib import fixtures, once, results, wrk
from benchlib.client import ApiError, Client, make_clinician

LETTERS = "abcdefgh"
# Requests written out for one second of a run, more than any machine sends.
SIGNED_A_SECOND, KEYED_A_SECOND = 25_000, 8_000
TOP = Path(__file__).resolve().parent.parent.parent

EPILOG = """\
scenarios
  a  GET /health/live: a bare handler
  b  GET /bench/floor: one Redis script and one prepared primary-key SELECT
  c  GET /v1/patients/{id}: session, rate limit, decryption, audit
  d  POST /v1/predictions: the same, with a score and a stored prediction
  e  GET /v1/me: the front door alone (network rules, session, limits, scope): no PostgreSQL
  f  as (c), with an API key instead of a session
  g  as (f), signed (RFC 9421, hmac-sha256): each request with a nonce of its own
  h  as (d), each with an Idempotency-Key of its own: five round trips in one transaction

environment
  ELEUSIS_URL            the server, https://localhost:PORT
  ELEUSIS_CA             the CA file to trust
  ELEUSIS_PROBE_URL      the floor route's whole URL; without it no (b) and no ratios
  ELEUSIS_BENCH_EMAIL, ELEUSIS_BENCH_PASSWORD_FILE
                         a clinician's log-in; without them ELEUSIS_CTL (the path of
                         eleusisctl, its settings in the environment) makes one

The server needs rate limits (ELEUSIS_RATE_*) above what it can serve. All rounds go
a b c … a b c …, since a machine's speed drifts: medians and ratios within a round are
reported. wrk shares the machine with the server, and its first second at 1,000
connections holds as many TLS handshakes.
"""


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(
        prog="bench",
        description="Measures requests per second and latencies with wrk over TLS.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--seconds", type=float, default=8, help="of one run (default 8)")
    p.add_argument("--rounds", type=int, default=3, help="of all scenarios (default 3)")
    p.add_argument("--connections", default="64,1000", help="a list of counts (default 64,1000)")
    p.add_argument("--only", default=LETTERS, metavar="LETTERS", help="scenarios to run")
    p.add_argument("--threads", type=int, default=2, help="of wrk (default 2)")
    p.add_argument("--patients", type=int, default=500, help="to go round (default 500)")
    p.add_argument("--model", default="", help="of (d) (default: the server's first)")
    p.add_argument("--json", metavar="FILE", type=Path, help="all figures, for programs")
    p.add_argument(
        "--check", action="store_true", help="fail on errors, or (c)/(b) under 0.5 at 64"
    )
    p.add_argument("--no-forest", action="store_true", help="leave the forest bench out")
    args = p.parse_args()
    try:
        args.connections = [int(c) for c in args.connections.split(",")]
    except ValueError:
        p.error("--connections takes numbers with commas between")
    if args.seconds < 1 or min(args.connections) < 1 or args.rounds < 1 or args.patients < 1:
        p.error("--seconds, --rounds, --patients and --connections start at 1")
    if not args.only or set(args.only) - set(LETTERS):
        p.error(f"--only takes letters of {LETTERS}")
    return args


def need(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ApiError(f"{name} is not set: run ./dev bench, or see bench --help")
    return value


def credentials() -> tuple[str, str]:
    if os.environ.get("ELEUSIS_BENCH_EMAIL"):
        file = Path(need("ELEUSIS_BENCH_PASSWORD_FILE"))
        return os.environ["ELEUSIS_BENCH_EMAIL"], file.read_text().strip()
    return make_clinician(need("ELEUSIS_CTL"))


def prepare(args: argparse.Namespace, scratch: Path) -> list[wrk.Scenario]:
    """Log in, make what the scenarios ask for, and try each request once."""
    url, ca, probe = need("ELEUSIS_URL"), need("ELEUSIS_CA"), os.environ.get("ELEUSIS_PROBE_URL")
    scenarios = []
    if "a" in args.only:
        Client(url, ca).exchange("GET", "/health/live")
        scenarios.append(wrk.Scenario("a", "bare handler", f"{url}/health/live", "get.lua"))
    if "b" in args.only and probe:
        Client(probe, ca).exchange("GET", urlsplit(probe).path)
        scenarios.append(wrk.Scenario("b", "floor", probe, "get.lua"))
    elif "b" in args.only:
        print("ELEUSIS_PROBE_URL is not set: no floor, no ratios", file=sys.stderr)
    if set(args.only) - set("ab"):
        scenarios += prepare_records(args, Client(url, ca), url, scratch)
    return scenarios


def prepare_records(
    args: argparse.Namespace, client: Client, url: str, scratch: Path
) -> list[wrk.Scenario]:
    client.login(*credentials())
    print(f"making {args.patients} patients", file=sys.stderr)
    patients = fixtures.make_patients(client, args.patients, random.Random())
    env = {"BENCH_TOKEN": client.token}
    found = []
    if "c" in args.only:
        client.call("GET", f"/v1/patients/{patients[0]}")
        file = scratch / "patients"
        file.write_text("\n".join(patients) + "\n")
        env_c = env | {"BENCH_PATIENTS": str(file)}
        found.append(wrk.Scenario("c", "read a patient", url, "patients.lua", env_c))
    if "e" in args.only:
        client.call("GET", "/v1/me")
        found.append(wrk.Scenario("e", "front door", f"{url}/v1/me", "get.lua", env))
    if set(args.only) & set("fg"):
        found += prepare_keys(args, client, url, scratch, patients)
    if set(args.only) & set("dh"):
        found += prepare_predictions(args, client, url, scratch, patients)
    return sorted(found, key=lambda s: s.key)


def prepare_keys(
    args: argparse.Namespace, client: Client, url: str, scratch: Path, patients: list[str]
) -> list[wrk.Scenario]:
    """An API key that may also sign; its owner is the one who made the patients."""
    body = {
        "name": "Load test",
        "scopes": ["patients:read"],
        "signature": {"alg": "hmac-sha256"},
    }
    key = client.call("POST", "/v1/api-keys", body, expect=201)
    found = []
    if "f" in args.only:
        file = scratch / "patients-f"
        file.write_text("\n".join(patients) + "\n")
        env = {"BENCH_TOKEN": key["key"], "BENCH_PATIENTS": str(file)}
        found.append(wrk.Scenario("f", "with an API key", url, "patients.lua", env))
    if "g" in args.only:

        def renew() -> dict[str, str]:
            number = int(args.seconds * SIGNED_A_SECOND)
            lines = once.signed(url, key, patients, number)
            return {"BENCH_REQUESTS": once.write(lines, scratch / "signed")}

        found.append(wrk.Scenario("g", "signed", url, "requests.lua", {}, renew))
    return found


def prepare_predictions(
    args: argparse.Namespace, client: Client, url: str, scratch: Path, patients: list[str]
) -> list[wrk.Scenario]:
    found = []
    rng = random.Random(1)
    bodies = fixtures.prediction_lines(patients, fixtures.pick_model(client, args.model), rng)
    client.call("POST", "/v1/predictions", json.loads(bodies[0]), expect=201)
    if "d" in args.only:
        file = scratch / "bodies"
        file.write_text("\n".join(bodies) + "\n")
        env = {"BENCH_TOKEN": client.token, "BENCH_BODIES": str(file)}
        found.append(wrk.Scenario("d", "predict", url, "predictions.lua", env))
    if "h" in args.only:

        def renew() -> dict[str, str]:
            number = int(args.seconds * KEYED_A_SECOND)
            lines = once.keyed(client.token, bodies, number)
            return {"BENCH_REQUESTS": once.write(lines, scratch / "keyed")}

        found.append(wrk.Scenario("h", "predict, repeatable", url, "requests.lua", {}, renew))
    return found


def measure(args: argparse.Namespace, scenarios: list[wrk.Scenario]) -> results.Results:
    found = results.Results(scenarios, args.connections)
    for connections in args.connections:
        for number in range(1, args.rounds + 1):
            for s in scenarios:
                run = wrk.run(s, connections, args.seconds, args.threads)
                found.add(s, connections, run)
                print(
                    f"{connections:>5} connections, round {number}: ({s.key})"
                    f" {run.rate:,.0f} req/s, {run.failed} errors",
                    file=sys.stderr,
                )
    return found


def forest() -> str:
    """Scoring time of one row against libxgboost, when its bench is built."""
    tool = TOP / os.environ.get("ELEUSIS_BUILD", "build") / "forest_bench"
    if not os.access(tool, os.X_OK):
        return ""
    done = subprocess.run([tool], text=True, capture_output=True, timeout=600, cwd=TOP)
    if done.returncode != 0:
        raise wrk.WrkError(f"forest_bench: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def machine() -> dict:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def run(args: argparse.Namespace) -> int:
    if not shutil.which("wrk"):
        raise wrk.WrkError("wrk is not installed: ./dev bench installs it")
    wrk.raise_file_limit(max(args.connections))
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        found = measure(args, prepare(args, Path(scratch)))
    print(results.show(found))
    scoring = "" if args.no_forest else forest()
    if scoring:
        print(f"\nForest scoring:\n{scoring}")
    if args.json:
        data = {"machine": machine(), "seconds": args.seconds} | results.as_json(found)
        data["forest"] = scoring.splitlines()
        args.json.write_text(json.dumps(data, indent=1) + "\n")
    complaints = found.complaints() if args.check else []
    for complaint in complaints:
        print(f"bench: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


# Told in a line; anything else is a mistake of ours and shows where.
EXPECTED = (
    ApiError,
    wrk.WrkError,
    OSError,
    http.client.HTTPException,
    subprocess.SubprocessError,
)


def main() -> int:
    args = arguments()
    try:
        return run(args)
    except EXPECTED as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
