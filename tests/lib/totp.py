"""An authenticator app that is not ours (pyotp), and what a log-in with it takes."""

import time

import pyotp

from lib.client import Api
from lib.db import connect

SECOND_FACTOR = "/v1/auth/second-factor"
STEP = 30
MARGIN = 3  # seconds before a step's end in which no code is made


class Authenticator:
    """The app of one user, and the recovery codes she was shown."""

    def __init__(self, secret: str):
        self.secret, self.codes = secret, []
        self.totp = pyotp.TOTP(secret)

    def code(self, steps: int = 0) -> str:
        """The code of now, or of so many steps later; good for some seconds yet."""
        left = STEP - time.time() % STEP
        if left < MARGIN:
            time.sleep(left + 0.05)
        return self.totp.at(int(time.time()) + STEP * steps)

    def wrong(self) -> str:
        """A code that is none of the steps around now."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(c for c in (f"{n:06}" for n in range(20)) if c not in near)


def adopt(api: Api, reply) -> dict:
    """Go on with the token of a LoginReply."""
    assert reply.status_code == 200, reply.text
    api.reply = reply.json()
    api.token = api.reply["token"]
    api.http.headers["authorization"] = f"Bearer {api.token}"
    return api.reply


def begin(api: Api) -> Authenticator:
    reply = api.post("/v1/me/totp", {})
    assert reply.status_code == 200, reply.text
    return Authenticator(reply.json()["secret"])


def enrol(api: Api) -> Authenticator:
    """Set an authenticator app up for who is logged in."""
    app = begin(api)
    document = adopt(api, api.post("/v1/me/totp/confirm", {"code": app.code()}))
    app.codes = document["recovery_codes"]
    return app


def show(api: Api, **proof):
    return api.post(SECOND_FACTOR, proof)


def log_in(instance, api: Api, app: Authenticator) -> Api:
    """Another log-in of that user, with both factors."""
    other = Api(instance).login(api.email, api.password)
    assert other.reply["stage"] == "second-factor", other.reply
    forget_steps(instance, other.user["id"])
    adopt(other, show(other, code=app.code()))
    return other


def forget_steps(instance, user_id: str) -> None:
    """As if the codes used so far were long ago: nobody waits for half a minute."""
    with connect(instance) as db:
        db.execute("UPDATE eleusis.totp SET last_step = 0 WHERE user_id = %s", [user_id])


def one_of_each(keep, log_in, admin: Api) -> None:
    """A success of every operation on second factors; keep() takes and gives back the reply."""
    api = log_in("clinician")
    app = Authenticator(keep(api.post("/v1/me/totp", {})).json()["secret"])
    app.codes = adopt(api, keep(api.post("/v1/me/totp/confirm", {"code": app.code()})))[
        "recovery_codes"
    ]
    keep(api.get("/v1/me/factors"))
    adopt(api, keep(show(api, recovery_code=app.codes[0])))
    keep(api.post("/v1/me/recovery-codes"))
    adopt(api, keep(api.http.delete("/v1/me/totp")))
    keep(api.get("/v1/me/factors"))
    keep(admin.http.delete(f"/v1/users/{api.user['id']}/factors"))
