"""A stranger cannot tell by the clock whether an account is there, nor what it has.

Each kind of account is tried with a wrong password, all of them in turn, so that whatever else
the machine does falls on all alike. The times of every kind are compared with those of the
unknown user: by how often one of the two is the slower one (the common-language effect size of
Mann and Whitney's test, 0.5 when they are alike), and by their medians. A check that is left out
makes a log-in faster by Argon2's time, every time: an effect of 0 or 1. The bounds lie in between,
far from both, and a log-in is tried more often before it is called different.
"""

import gc
import statistics
import time

import pytest
from lib import data
from lib.client import Api
from lib.db import connect
from lib.problem import problem, without_identity
from lib.totp import enrol

# Argon2 as in production: its time is what would tell.
pytestmark = pytest.mark.restarts
ARGON2 = {"ELEUSIS_ARGON2_OPS": "2", "ELEUSIS_ARGON2_MEM_KIB": "19456"}
ROUNDS, MORE = 20, 3  # attempts of each kind; times the same again before it fails
EFFECT = 0.25  # from 0.5: 0.25 to 0.75 is alike
SHARE = 0.25  # of the median of the unknown user


@pytest.fixture(scope="module", autouse=True)
def server(instance):
    instance.restart(**ARGON2)
    yield instance
    instance.restart()


def make(instance) -> Api:
    """A clinician whose hash has the parameters of the server's dummy."""
    api = Api(instance)
    api.email, api.password = data.email(), data.password()
    instance.ctl(
        "user", "create", "--email", api.email, "--name", data.word(), "--role", "clinician",
        "--password-file", "-", input=api.password + "\n", **ARGON2,
    )  # fmt: skip
    return api


@pytest.fixture(scope="module")
def accounts(server):
    """An e-mail address of each kind."""
    wrong, disabled, strong, invited = (make(server) for _ in range(4))
    strong.login(strong.email, strong.password)
    enrol(strong)
    server.ctl("user", "disable", disabled.email)
    with connect(server) as db:
        db.execute(
            "UPDATE eleusis.app_user SET password_hash = NULL WHERE lower(email) = lower(%s)",
            [invited.email],
        )
    return {
        "unknown": data.email(),
        "wrong password": wrong.email,
        "disabled": disabled.email,
        "second factor": strong.email,
        "no password": invited.email,
    }


@pytest.fixture(scope="module")
def stranger(server):
    with Api(server) as api:
        yield api


def attempt(api: Api, email: str) -> float:
    """How long one wrong log-in takes, in milliseconds."""
    body = {"email": email, "password": data.password()}
    begun = time.perf_counter()
    reply = api.post("/v1/auth/login", body)
    took = time.perf_counter() - begun
    assert reply.status_code == 401, reply.text
    return took * 1000


def sample(api: Api, accounts: dict[str, str], rounds: int, times: dict[str, list]) -> None:
    """So many attempts of each kind, in turn, in another order each time."""
    kinds = list(accounts)
    gc.disable()
    try:
        for n in range(rounds):
            for kind in kinds[n % len(kinds) :] + kinds[: n % len(kinds)]:
                times[kind].append(attempt(api, accounts[kind]))
    finally:
        gc.enable()


def slower(a: list[float], b: list[float]) -> float:
    """How often one of a took longer than one of b."""
    return sum((x > y) + 0.5 * (x == y) for x in a for y in b) / (len(a) * len(b))


def differences(times: dict[str, list], effect: float, share: float) -> dict[str, tuple]:
    """The kinds that can be told from the unknown user."""
    base = times["unknown"]
    middle = statistics.median(base)
    found = {}
    for kind, own in times.items():
        apart = statistics.median(own) / middle - 1
        often = slower(own, base) - 0.5
        # Both: a shift that is always there but tiny tells over a network nothing.
        if abs(often) > effect and abs(apart) > share:
            found[kind] = (round(often + 0.5, 2), f"{apart:+.0%}")
    return found


def measure(api: Api, accounts: dict[str, str], rounds: int, effect: float, share: float) -> dict:
    times = {kind: [] for kind in accounts}
    for email in accounts.values():
        attempt(api, email)  # connections and caches
    for _ in range(MORE):
        sample(api, accounts, rounds, times)
        found = differences(times, effect, share)
        if not found:
            break
    return found


def test_the_measure_itself():
    """It calls alike what is, and different what lacks the hash."""
    alike = {"unknown": [50.0, 52, 49, 60, 51] * 6, "other": [51.0, 50, 48, 55, 70] * 6}
    assert differences(alike, EFFECT, SHARE) == {}
    for fast in (5.0, 25.0):
        told = {"unknown": alike["unknown"], "other": [fast, fast + 1, fast + 2, 90, fast] * 6}
        assert list(differences(told, EFFECT, SHARE)) == ["other"]
        assert list(differences({"unknown": told["other"], "other": told["unknown"]},
                                EFFECT, SHARE)) == ["other"]  # fmt: skip


def test_log_ins_take_as_long_whatever_the_account(stranger, accounts):
    assert measure(stranger, accounts, ROUNDS, EFFECT, SHARE) == {}


def test_problems_are_the_same_but_for_the_ids(stranger, accounts):
    """To the byte, headers included."""
    told = {}
    for kind, email in accounts.items():
        reply = stranger.post("/v1/auth/login", {"email": email, "password": data.password()})
        document = problem(reply, "bad-credentials")
        ids = {document["instance"], reply.headers["x-request-id"], reply.headers["date"]}
        text = reply.text.replace(document["instance"], "")
        headers = {k: v for k, v in reply.headers.items() if v not in ids}
        told[kind] = (reply.status_code, text, headers, without_identity(document))
    assert all(each == told["unknown"] for each in told.values()), told


@pytest.mark.full
@pytest.mark.timeout(900)
def test_log_ins_take_as_long_over_many(stranger, accounts):
    """More of them, and closer bounds."""
    assert measure(stranger, accounts, 150, 0.15, 0.08) == {}
