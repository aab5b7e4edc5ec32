"""Accounts made by invitation, as an administrator and her invited user do it."""

import httpx

from lib import data
from lib.client import Api
from lib.db import connect
from lib.mail import mails, wait_mail

INVITE = "/v1/auth/invitation"
ASK = "/v1/auth/password-reset"
CONFIRM = "/v1/auth/password-reset/confirm"
INVITED = "Your account at"
FORGOTTEN = "Choose a new password"


def account(**changes) -> dict:
    """A complete body of POST /v1/users."""
    return {
        "email": data.email(),
        "name": f"{data.word()} {data.word()}",
        "role": "clinician",
    } | changes


def path(of: dict | Api, more: str = "") -> str:
    user = of.user if isinstance(of, Api) else of
    return f"/v1/users/{user['id']}{more}"


def invited(admin: Api, **changes) -> tuple[dict, str]:
    """A new account, and the token out of the mail to it."""
    body = account(**changes)
    before = len(mails(admin.instance, body["email"], INVITED))
    made = admin.made("/v1/users", body)
    return made, wait_mail(admin.instance, made["email"], INVITED, before).token


def accept(instance, token: str, password: str | None = None, **more) -> httpx.Response:
    with Api(instance) as api:
        body = {"token": token, "password": password or data.password()} | more
        return api.post(INVITE, body)


def joined(admin: Api, **changes) -> Api:
    """A new user who has accepted her invitation."""
    made, token = invited(admin, **changes)
    api, password = Api(admin.instance), data.password()
    api.adopt(api.post(INVITE, {"token": token, "password": password}))
    api.email, api.password = made["email"], password
    return api


def changed(admin: Api, of: dict | Api, **members) -> dict:
    """PATCH that must succeed; the account."""
    reply = admin.patch(path(of), members)
    assert reply.status_code == 200, reply.text
    return reply.json()


def overdue(instance, user: dict, purpose: str) -> None:
    """The token's time is over, as if it had been sent long ago."""
    with connect(instance) as db:
        done = db.execute(
            "UPDATE eleusis.user_token SET created_at = created_at - interval '40 days',"
            " expires_at = expires_at - interval '40 days' WHERE user_id = %s AND purpose = %s",
            [user["id"], purpose],
        )
        assert done.rowcount == 1


def forget_pause(instance, user: dict) -> None:
    """The last mail with a link was sent long enough ago for another one."""
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.user_token SET created_at = created_at - interval '1 day'"
            " WHERE user_id = %s",
            [user["id"]],
        )
