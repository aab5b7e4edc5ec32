"""Who may do what: the requests behind the cells of tests/data/authorisation.csv.

A row of that table is an operation. Its requests differ in who asks and in how the object that
is asked for stands to her; what is the same for all of them is in the two tables below: how each
parameter of a path is filled in, and which body goes along. A body that says nothing ({}) is a
mistake (422) to those who are let in, which is enough where there is no object to be refused.
"""

import csv
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import httpx
from psycopg import sql

from lib import apikeys, data
from lib.client import MERGE_PATCH, Api
from lib.db import connect
from lib.tables import ROOT, rows

TABLE = ROOT / "tests/data/authorisation.csv"
ROLES = ("admin", "clinician", "auditor", "service")
# How the object stands to the one who asks, by what the column "object" says.
RELATIONS = {
    "-": ("",),
    "thing": ("there", "unknown"),
    "owned": ("own", "foreign", "unknown"),
    "patient": ("own", "ended", "break_glass", "none", "unknown"),
}
# Others who ask, always for what is the clinician's own.
OTHERS = ("anonymous", "onetime", "unproven", "key")


# ---- how a request is made: add to these two --------------------------------------


# {name} of a path, or operation.name where it means something else there: the object's id.
PARAMETERS: dict[str, Callable[["Case"], str]] = {
    "patient_id": lambda case: case.patient.id,
    "observation_id": lambda case: case.patient.observation,
    "prediction_id": lambda case: case.patient.prediction,
    "event_id": lambda case: case.known(case.world.event),
    "rule_id": lambda case: case.known(case.world.rule()),
    "user_id": lambda case: case.known(case.owner["id"]),
    # Somebody whom nothing else is asked of.
    "deleteUser.user_id": lambda case: case.known(
        case.world.spare() if case.relation == "foreign" else case.owner["id"]
    ),
    "key_id": lambda case: case.known(case.world.api_key(case.owner).id),
    "grant_id": lambda case: case.known(case.grant()),
    "session_id": lambda case: case.known(case.world.session(case.owner)),
    "endUserSessions.user_id": lambda case: case.known(
        case.spender.user["id"] if case.relation == "own" else case.world.spare()
    ),
    # Her sessions end: somebody else's whom nothing else is asked of.
    "resetFactors.user_id": lambda case: case.known(
        case.world.log_in("clinician").user["id"]
        if (case.who, case.relation) == ("admin", "foreign")
        else case.owner["id"]
    ),
    "file": lambda case: case.known(case.world.asset),
    # Of those who are refused before it is looked for, nobody gets one more.
    "passkey_id": lambda case: case.known(
        case.world.passkey(case.owner if case.who in ROLES else case.world.owner.user)
    ),
    "callback_id": lambda case: case.known(str(data.uuid7())),
    "identity_id": lambda case: case.known(case.world.identity(case.owner)),
    # An administrator ends anybody's care, a clinician her own.
    "endCare.user_id": lambda case: (
        case.world.owner.user["id"] if case.who == "admin" else case.user["id"]
    ),
}

# Bodies, where {} will not do: of operations whose object must be refused after the body.
BODIES: dict[str, Callable[["Case"], dict]] = {
    "createObservation": lambda case: {"code": "creatinine", "value": 1.1},
    "createPrediction": lambda case: {
        "patient_id": case.patient.id, "model": "flchain-mortality-5y", "inputs": data.FLCHAIN,
    },
    "grantCare": lambda case: {
        "user_id": case.world.others["onetime"].user["id"], "reason": "consultation",
    },
    "breakGlass": lambda case: {"patient_id": case.patient.id, "reason": data.REASON},
    "renamePasskey": lambda case: {"name": "another"},
    "reviewBreakGlass": lambda case: {"verdict": "justified", "note": data.REASON},
}  # fmt: skip

# Operations that end the session they are asked in: they get one of their own.
SPENDS_SESSION = {"logout", "logoutOidc"}

# Operations that end other sessions of whoever asks: they get a user of their own.
SPENDS_ALL = {"endMyOtherSessions", "endUserSessions"}

# Operations after which who succeeds, or whom it is about, is not as before (no more there, or
# has passkeys): each request has users of its own.
SPENDS_USER = {"deleteUser", "renamePasskey", "deletePasskey"}

# Operations that change how somebody stands to a patient: they get patients of their own.
SPENDS_CARE = {"endCare", "breakGlass"}

# Objects that the body names, not the path.
IN_BODY = {"createPrediction": "patient", "breakGlass": "patient"}


# ---- the tables ---------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """A row of the endpoint table."""

    method: str
    path: str
    name: str
    public: bool
    scope: str
    audit: str
    takes_body: bool
    merge_patch: bool

    @property
    def parameters(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


def operations() -> dict[str, Operation]:
    found = {}
    for cells in rows("app/tbl/endpoints.def", "ENDPOINT"):
        method, path, _, name, _, auth, scope, _, _, audit, body, *_, flags, _ = cells
        found[name] = Operation(
            method, path, name, auth == "PUBLIC", scope, audit, body != "NULL",
            "EP_MERGE_PATCH" in flags,
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Row:
    operation: str
    object: str
    others: dict[str, int]
    roles: dict[str, tuple[int, ...]]

    def cells(self) -> list[tuple[str, str, int]]:
        """(who, relation, status) of each."""
        found = [(who, RELATIONS[self.object][0], status) for who, status in self.others.items()]
        for role, statuses in self.roles.items():
            found += [
                (role, relation, status)
                for relation, status in zip(RELATIONS[self.object], statuses, strict=True)
            ]
        return found


def statuses(text: str, object_: str) -> tuple[int, ...]:
    """One status for all relations, or one for each."""
    given = tuple(int(word) for word in text.split())
    return given * len(RELATIONS[object_]) if len(given) == 1 else given


def matrix() -> dict[str, Row]:
    with TABLE.open(newline="") as file:
        lines = list(csv.DictReader(line for line in file if not line.startswith("#")))
    found = {}
    for line in lines:
        name, object_ = line["operation"], line["object"]
        assert name not in found, f"{name} has two rows"
        found[name] = Row(
            name,
            object_,
            {who: int(line[who]) for who in OTHERS},
            {role: statuses(line[role], object_) for role in ROLES},
        )
    return found


# ---- the world ----------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """A patient with an observation and a prediction, or ids that nothing has."""

    id: str
    observation: str
    prediction: str


PASSKEY = """
INSERT INTO eleusis.passkey (id, user_id, credential_id, public_key, alg, sign_count, aaguid,
       transports, backup_eligible, backed_up, name)
VALUES (%s, %s, %s, decode(repeat('00', 77), 'hex'), -7, 0,
       '00000000-0000-0000-0000-000000000000', '{}', false, false, 'a key') RETURNING id
"""
CARE = """
INSERT INTO eleusis.care_relationship (patient_id, user_id, kind, reason, since, until)
SELECT %s, %s, %s, %s, now() - interval '2 hours', now() + make_interval(mins => %s)
"""
# Kind, reason, and minutes from now to the end: put there for every role, so that a role that
# sees no patients is seen to see none whatever the database says.
GIVEN = {
    "own": ("assigned", "assignment", None),
    "ended": ("referred", "referral", -60),
    "break_glass": ("break_glass", "break_glass", 60),
}


class World:
    """One user of each role, one whose things are foreign to them, and what they ask for."""

    def __init__(self, instance, log_in, new_user):
        self.instance, self.log_in = instance, log_in
        self.users = {role: log_in(role) for role in ROLES}
        self.owner = log_in("clinician")
        self.others = {
            "anonymous": Api(instance),
            "onetime": self.marked(new_user("clinician"), "onetime"),
            "unproven": self.marked(new_user("clinician"), "totp"),
            "key": Api(instance, self.api_key(self.users["clinician"].user).text),
        }
        self.records: dict[tuple[str, str], Record] = {}
        self.rules: list[str] = []

    def close(self) -> None:
        for rule in self.rules:
            self.users["admin"].http.delete(f"/v1/network-rules/{rule}")
        for api in self.others.values():
            api.close()

    def marked(self, api: Api, column: str) -> Api:
        """Logged in after that column of her account was set."""
        with connect(self.instance) as db:
            db.execute(
                sql.SQL("UPDATE eleusis.app_user SET {} = true WHERE email = %s").format(
                    sql.Identifier(column)
                ),
                [api.email],
            )
        return api.login(api.email, api.password)

    def api_key(self, user: dict) -> apikeys.Key:
        return apikeys.make(self.instance, user)

    def passkey(self, user: dict) -> str:
        """One that nobody can log in with, and that does not count as a second factor."""
        with connect(self.instance) as db:
            made = db.execute(PASSKEY, [data.uuid7(), user["id"], secrets.token_bytes(32)])
            return str(made.fetchone()["id"])

    def identity(self, user: dict) -> str:
        """Who she is at a provider."""
        made = str(data.uuid7())
        with connect(self.instance) as db:
            db.execute(
                "INSERT INTO eleusis.identity (id, user_id, provider, subject)"
                " VALUES (%s, %s, %s, %s)",
                [made, user["id"], secrets.token_hex(8), secrets.token_bytes(32)],
            )
        return made

    def record(self, who: str, relation: str) -> Record:
        if (who, relation) not in self.records:
            self.records[who, relation] = self.new_record(who, relation)
        return self.records[who, relation]

    def new_record(self, who: str, relation: str) -> Record:
        if relation == "unknown":
            return Record(*(str(data.uuid7()) for _ in range(3)))
        patient = self.owner.made("/v1/patients", data.patient())["id"]
        made = Record(
            patient,
            self.owner.made(
                f"/v1/patients/{patient}/observations", {"code": "creatinine", "value": 1.1}
            )["id"],
            self.owner.made(
                "/v1/predictions",
                {"patient_id": patient, "model": "flchain-mortality-5y", "inputs": data.FLCHAIN},
            )["id"],
        )
        if relation in GIVEN:
            with connect(self.instance) as db:
                db.execute(CARE, [patient, self.users[who].user["id"], *GIVEN[relation]])
        return made

    def session(self, user: dict) -> str:
        """One more of that user, by its public name."""
        known = (*self.users.values(), self.owner, *self.others.values())
        (who,) = [api for api in known if api.user and api.user["id"] == user["id"]]
        with Api(self.instance).login(who.email, who.password) as made:
            return made.reply["session_id"]

    def spare(self) -> str:
        """A user whom nothing else is asked of."""
        return self.log_in("clinician").user["id"]

    def opened(self, by: Api, end: bool = False) -> str:
        """A record of the owner's patient that somebody opened in an emergency."""
        body = {"patient_id": self.new_record("", "none").id, "reason": data.REASON}
        grant = by.made("/v1/break-glass", body)["id"]
        if end:
            by.http.delete(f"/v1/break-glass/{grant}").raise_for_status()
        return grant

    @cached_property
    def grant(self) -> str:
        return self.opened(self.log_in("clinician"))

    @cached_property
    def event(self) -> str:
        with connect(self.instance) as db:
            return str(db.execute("SELECT id FROM eleusis.audit_event LIMIT 1").fetchone()["id"])

    @cached_property
    def asset(self) -> str:
        page = self.users["admin"].get("/login").text
        return re.search(r"/assets/(login[^\"]+\.js)", page)[1]

    def rule(self) -> str:
        """A network rule about an address of documentation (RFC 5737)."""
        made = self.users["admin"].made(
            "/v1/network-rules",
            {
                "rules": [
                    {
                        "action": "deny",
                        "network": "198.51.100.250/32",
                        "expires_at": data.instant(timedelta(hours=1)),
                    }
                ]
            },
        )
        self.rules.append(made["items"][0]["id"])
        return self.rules[-1]


@dataclass
class Case:
    """Who asks, and how the object stands to her."""

    world: World
    operation: Operation
    who: str
    relation: str
    role: str = field(init=False)

    def __post_init__(self):
        self.role = "clinician" if self.who in OTHERS else self.who

    @cached_property
    def asking(self) -> Api:
        if self.operation.name in SPENDS_USER and self.who in ROLES and self.relation == "own":
            return self.world.log_in(self.who)
        return (self.world.users | self.world.others)[self.who]

    @property
    def user(self) -> dict:
        return self.asking.user if self.who in ROLES else self.world.users[self.role].user

    @property
    def owner(self) -> dict:
        """Whose the object is, where it is somebody's own."""
        return self.user if self.relation == "own" else self.world.owner.user

    @cached_property
    def patient(self) -> Record:
        if self.operation.name in SPENDS_CARE:
            return self.world.new_record(self.role, self.relation)
        return self.world.record(self.role, self.relation)

    def grant(self) -> str:
        """Hers where it is to be her own; over, and each reviewed but once."""
        if self.operation.name == "reviewBreakGlass" and self.who in ("admin", "auditor"):
            return self.world.opened(self.world.log_in("clinician"), end=True)
        if self.who == "clinician" and self.relation == "own":
            return self.world.opened(self.client())
        return self.world.grant

    def known(self, id_: str) -> str:
        return str(data.uuid7()) if self.relation == "unknown" else id_

    @cached_property
    def spender(self) -> Api:
        return self.world.log_in(self.role)

    def client(self) -> Api:
        if self.operation.name in SPENDS_ALL and self.who in ROLES:
            return self.spender
        api = self.asking
        if self.operation.name in SPENDS_SESSION and api.email:
            return Api(api.instance).login(api.email, api.password)
        return api

    def parameter(self, name: str) -> str:
        return PARAMETERS.get(f"{self.operation.name}.{name}", PARAMETERS[name])(self)

    def send(self) -> httpx.Response:
        op = self.operation
        path = op.path.format(**{name: self.parameter(name) for name in op.parameters})
        sent = {}
        if op.takes_body:
            sent["json"] = BODIES.get(op.name, lambda _: {})(self)
        if op.merge_patch:
            sent["headers"] = {"content-type": MERGE_PATCH}
        return self.client().http.request(op.method, path, **sent)
