#!/usr/bin/env python3
"""./dev demo: real held-out people through the API of the running server.

Makes (or reuses) a clinician and an auditor, stores people of the models'
held-out data as patients with their measurements, asks for a prediction of
each, and compares it with what the training program computed for that row.
Then it shows who can see that this happened, and three commands to go on with.

The measurements and outcomes are real (see models/README.md); names, birth
days and record numbers are invented. Each run adds patients of its own.
"""

import argparse
import csv
import http.client
import json
import os
import secrets
import shlex
import ssl
import statistics
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USERS = {
    "clinician": ("demo@localhost", "Demo Clinician"),
    "auditor": ("demo-auditor@localhost", "Demo Auditor"),
}
OUTCOMES = {
    "flchain-mortality-5y": ("lived five years or more", "died within five years"),
    "wdbc-malignancy": ("benign", "malignant"),
}
GIVEN = {
    "female": [
        "Agnes", "Birgit", "Clara", "Dorothea", "Edith", "Frida", "Greta", "Hanna", "Ida", "Karin",
    ],
    "male": [
        "Anton", "Bernard", "Conrad", "David", "Emil", "Frank", "Gustav", "Henry", "Isak", "Jonas",
    ],
    "unknown": [
        "Ari", "Blake", "Chris", "Dana", "Eli", "Finn", "Gray", "Harper", "Indy", "Jules",
    ],
}  # fmt: skip
IDLE_SECONDS = 20  # the server closes a connection that is silent for longer than a minute
FAMILY = [
    "Ashdown", "Birk", "Calder", "Dunmore", "Elmgren", "Farrow", "Garth", "Hollis", "Ingram",
]  # fmt: skip


class DemoError(Exception):
    """Something the person at the terminal should read, without a traceback."""


# ---- the API ----------------------------------------------------------------


class Client:
    """One user's connection; trusts the instance's own authority only."""

    def __init__(self, url: str, ca: str):
        self.url = url
        where = urllib.parse.urlsplit(url)
        try:
            context = ssl.create_default_context(cafile=ca)
        except (OSError, ssl.SSLError) as e:
            raise DemoError(f"no certification authority in {ca} ({e}): ./dev up makes it") from e
        self.http = http.client.HTTPSConnection(
            where.hostname, where.port or 443, context=context, timeout=30
        )
        self.token = None
        self.used = 0.0
        self.slowed = False

    def send(self, method: str, path: str, body=None) -> tuple[int, http.client.HTTPMessage, dict]:
        headers = {"Accept": "application/json, application/problem+json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        if time.monotonic() - self.used > IDLE_SECONDS:
            self.http.close()  # request() opens it again
        self.used = time.monotonic()
        try:
            self.http.request(method, path, body, headers)
            reply = self.http.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException) as e:
            raise DemoError(
                f"{self.url} does not answer: {e or type(e).__name__}\n"
                "      Is it up? ./dev status tells, ./dev up --detach starts it."
            ) from e
        return reply.status, reply.headers, json.loads(text) if text else {}

    def call(self, method: str, path: str, body=None) -> dict:
        """The document of a successful reply; waits when told to slow down."""
        for _ in range(10):
            status, headers, document = self.send(method, path, body)
            if status < 400:
                return document
            if status != 429:
                raise DemoError(problem_text(method, path, status, document))
            seconds = max(1, int(headers.get("Retry-After", "1")))
            self.slow_down(seconds)
        raise DemoError(f"{method} {path}: still over the rate limit")

    def slow_down(self, seconds: int) -> None:
        if not self.slowed:
            print("  the rate limit is reached: going on at its pace", flush=True)
        self.slowed = True
        time.sleep(seconds)

    def login(self, email: str, password: str) -> dict | None:
        """None when the credentials do not match."""
        body = {"email": email, "password": password}
        status, _, document = self.send("POST", "/v1/auth/login", body)
        if status == 401:
            return None
        if status != 200:
            raise DemoError(problem_text("POST", "/v1/auth/login", status, document))
        self.token = document["token"]
        return document


def problem_text(method: str, path: str, status: int, problem: dict) -> str:
    lines = [f"{method} {path} answered {status}: {problem.get('title', 'no problem document')}"]
    if problem.get("detail"):
        lines.append(f"      {problem['detail']}")
    lines += [
        f"      {e.get('pointer')}: {e.get('detail')}" for e in problem.get("errors", [])[:10]
    ]
    if problem.get("instance"):
        lines.append(f"      {problem['instance']} (./dev logs has the reason under this id)")
    return "\n".join(lines)


# ---- users --------------------------------------------------------------------


@dataclass
class Place:
    """Where the instance is, from the environment that ./dev sets."""

    url: str
    ca: str
    ctl: Path
    dir: Path

    def shown(self, path: Path) -> str:
        """As one types it in the checkout."""
        path = path.resolve()
        return shlex.quote(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path))


def place() -> Place:
    try:
        url, ca = os.environ["ELEUSIS_URL"], os.environ["ELEUSIS_CA"]
        var, build = os.environ["ELEUSIS_VAR"], os.environ["ELEUSIS_BUILD"]
    except KeyError as e:
        raise DemoError(f"{e.args[0]} is not set: run this as ./dev demo") from e
    return Place(url, ca, ROOT / build / "eleusisctl", ROOT / var / "demo")


def write_secret(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text + "\n")
    new.replace(path)


def password_of(at: Place, role: str) -> str:
    path = at.dir / f"{role}.pw"
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(24))
    return path.read_text().strip()


def ctl(at: Place, *args: str) -> subprocess.CompletedProcess:
    try:
        return subprocess.run([at.ctl, *args], cwd=ROOT, capture_output=True, text=True)
    except OSError as e:
        raise DemoError(f"{at.ctl}: {e.strerror}: ./dev build makes it") from e


def take_over(at: Place, client: Client, email: str, password: str, why: str) -> None:
    """The account is there, but its password is not the one we know."""
    done = ctl(at, "user", "reset-password", email)
    if done.returncode != 0:
        raise DemoError(f"cannot make the user {email}:\n{why}{done.stderr}".rstrip())
    onetime = done.stdout.rsplit(":", 1)[1].strip()
    if client.login(email, onetime) is None:
        raise DemoError(f"{email} is there but cannot log in: eleusisctl user enable {email}")
    body = {"current_password": onetime, "new_password": password}
    client.call("POST", "/v1/auth/password", body)


def log_in(at: Place, role: str) -> Client:
    email, name = USERS[role]
    client = Client(at.url, at.ca)
    password = password_of(at, role)
    if client.login(email, password) is None:
        made = ctl(
            at, "user", "create", "--email", email, "--name", name, "--role", role,
            "--password-file", str(at.dir / f"{role}.pw"),
        )  # fmt: skip
        if made.returncode != 0:
            take_over(at, client, email, password, made.stderr)
        elif client.login(email, password) is None:
            raise DemoError(f"{email} was made but cannot log in")
    write_secret(at.dir / ("token" if role == "clinician" else f"{role}-token"), client.token)
    return client


# ---- people of the held-out data ----------------------------------------------


@dataclass
class Model:
    """A model as its directory describes it, and the held-out rows to show."""

    name: str
    version: str
    title: str
    features: list[dict]
    file: Path
    rows: list[dict]


def load_model(name: str, n: int) -> Model:
    """Takes n rows spread evenly from the lowest to the highest probability."""
    versions = [p for p in (ROOT / "models" / name).glob("*") if (p / "schema.json").is_file()]
    if not versions:
        raise DemoError(f"models/{name} holds no model")
    newest = max(versions, key=lambda p: [int(x) for x in p.name.split(".")])
    schema = json.loads((newest / "schema.json").read_text())
    file = newest / "heldout.csv"
    if not file.is_file():
        raise DemoError(f"{file.relative_to(ROOT)} is not there: models/README.md tells of it")
    with file.open(newline="") as f:
        rows = sorted(csv.DictReader(f), key=lambda row: float(row["probability"]))
    n = min(n, len(rows))
    picked = [rows[(2 * i + 1) * len(rows) // (2 * n)] for i in range(n)]
    return Model(name, newest.name, schema["title"], schema["features"], file, picked)


def sex_of(model: Model, row: dict) -> str:
    for feature in model.features:
        if feature["source"] == "patient.sex":
            return next(k for k, v in feature["categories"].items() if v == int(row["sex"]))
    return "unknown"


def birth_date(age: int, i: int) -> str:
    """A day on which somebody of that age today may have been born."""
    today = datetime.now(UTC).date()
    birthday = date(today.year - age, today.month, min(today.day, 28))
    return (birthday - timedelta(days=1 + i * 37 % 350)).isoformat()


def person(model: Model, row: dict, i: int) -> dict:
    sex = sex_of(model, row)
    return {
        "given_name": GIVEN[sex][i % len(GIVEN[sex])],
        "family_name": FAMILY[i % len(FAMILY)],
        "birth_date": birth_date(int(row.get("age", 60)), i),
        "sex": sex,
        "mrn": f"DEMO-{secrets.token_hex(6).upper()}",
        "notes": f"{model.name}: held-out row",
    }


def measurements(model: Model, row: dict) -> list[dict]:
    """What the row holds; an empty column was not measured."""
    return [
        {"code": f["code"], "value": json.loads(row[f["name"]]), "unit": f["unit"]}
        for f in model.features
        if f["source"] == "observation" and row[f["name"]] != ""
    ]


@dataclass
class Shown:
    """One stored person: what was known, what was said, what happened."""

    who: dict
    row: dict
    prediction: dict
    seconds: float

    @property
    def difference(self) -> float:
        return abs(self.prediction["probability"] - float(self.row["probability"]))


def store_and_predict(client: Client, model: Model, row: dict, i: int) -> Shown:
    who = client.call("POST", "/v1/patients", person(model, row, i))
    for one in measurements(model, row):
        client.call("POST", f"/v1/patients/{who['id']}/observations", one)
    began = time.perf_counter()
    prediction = client.call(
        "POST", "/v1/predictions", {"patient_id": who["id"], "model": model.name}
    )
    return Shown(who, row, prediction, time.perf_counter() - began)


# ---- telling it -----------------------------------------------------------------


class Progress:
    """One line that grows on a terminal; elsewhere only its end."""

    def __init__(self, text: str, total: int):
        self.text, self.total, self.done = text, total, 0
        self.terminal = sys.stdout.isatty()

    def step(self) -> None:
        self.done += 1
        if self.terminal or self.done == self.total:
            start, end = ("\r", "") if self.terminal else ("", "")
            print(f"{start}  {self.text} {self.done}/{self.total}", end=end, flush=True)
        if self.done == self.total:
            print()


def load_people(client: Client, model: Model) -> list[Shown]:
    print(f"{model.title}")
    print(f"  from {model.file.relative_to(ROOT)}")
    progress = Progress("people stored, measured, scored", len(model.rows))
    shown = []
    for i, row in enumerate(model.rows):
        shown.append(store_and_predict(client, model, row, i))
        progress.step()
    return shown


def print_table(model: Model, shown: list[Shown], n: int) -> None:
    """n of them, from the lowest to the highest probability."""
    n = min(n, len(shown))
    some = [shown[i * (len(shown) - 1) // max(n - 1, 1)] for i in range(n)]
    aged = "age" in shown[0].row
    print(f"\n  {'patient':<20}{'age  sex     ' if aged else ''}probability  what happened")
    for s in some:
        name = f"{s.who['given_name']} {s.who['family_name']}"
        about = f"{s.row['age']:>3}  {s.who['sex']:<8}" if aged else ""
        percent = f"{100 * s.prediction['probability']:.1f} %"
        print(f"  {name:<20}{about}{percent:>11}  {OUTCOMES[model.name][int(s.row['label'])]}")


def print_check(shown: list[Shown]) -> None:
    worst = max(s.difference for s in shown)
    median = statistics.median(s.seconds for s in shown) * 1000
    expected = sum(s.prediction["probability"] for s in shown)
    happened = sum(int(s.row["label"]) for s in shown)
    print(f"\n  of all {len(shown)}: {expected:.1f} expected, {happened} happened")
    print(f"  greatest difference from XGBoost's own probability: {worst:.1e}")
    print(f"  median time of a prediction over HTTPS: {median:.1f} ms\n")
    if worst > 1e-6:
        raise DemoError("the probabilities differ by more than 1e-6")


def print_audit(auditor: Client, shown: Shown) -> None:
    event = auditor.call("GET", f"/v1/audit/events/{shown.prediction['audit_event_id']}")
    name = f"{shown.who['given_name']} {shown.who['family_name']}"
    print(f"The audit row of {name}'s prediction, as {USERS['auditor'][0]} reads it:")
    for line in json.dumps(event, indent=2).splitlines():
        print(f"  {line}")


def print_commands(at: Place, shown: Shown) -> None:
    patient = shown.who["id"]
    ca = at.shown(Path(at.ca))

    def curl(token: str, path: str, body: dict | None = None) -> str:
        auth = f'-H "Authorization: Bearer $(cat {at.shown(at.dir / token)})"'
        words = [f"curl -sS --cacert {ca} {auth}", f"'{at.url}{path}'"]
        if body is not None:
            words.insert(1, f"--json '{json.dumps(body)}'")
        return " \\\n    ".join(words) + " | python3 -m json.tool"

    what_if = {"patient_id": patient, "model": "flchain-mortality-5y", "inputs": {"creatinine": 3}}
    print("\nThe next three commands to try:\n")
    print("# the patient")
    print(curl("token", f"/v1/patients/{patient}"))
    print("\n# the same person with another creatinine")
    print(curl("token", "/v1/predictions", what_if))
    print("\n# who touched this patient, as the auditor")
    print(curl("auditor-token", f"/v1/audit/events?patient_id={patient}&limit=5"))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev demo",
        description="Stores real held-out people as patients through the API, scores them, "
        "compares with the training program, and shows the audit row.",
    )
    parser.add_argument(
        "--patients", type=int, default=25, metavar="N", help="people of FLChain (25)"
    )
    given = parser.parse_args()
    if not 1 <= given.patients <= 2000:
        parser.error("--patients takes 1 to 2000")
    return given


def run(patients: int) -> None:
    at = place()
    flchain = load_model("flchain-mortality-5y", patients)
    wdbc = load_model("wdbc-malignancy", max(1, patients // 5))
    at.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    clinician, auditor = (log_in(at, role) for role in USERS)
    print(f"\nAt {at.url} as {USERS['clinician'][0]} (clinician)\n")
    people = load_people(clinician, flchain)
    print_table(flchain, people, 8)
    print_check(people)
    masses = load_people(clinician, wdbc)
    print_table(wdbc, masses, 5)
    print_check(masses)
    print_audit(auditor, people[-1])
    print_commands(at, people[-1])


def main() -> int:
    given = options()
    try:
        run(given.patients)
        sys.stdout.flush()
    except DemoError as e:
        print(f"\ndemo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # into head, for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
