"""Which passwords are taken, and that they are kept and compared as they were sent."""

import re
import time
import unicodedata

import httpx
import pytest
from lib import data
from lib.client import Api
from lib.db import connect
from lib.device import COOKIE
from lib.problem import field_code, problem
from lib.process import wait_until

pytestmark = pytest.mark.restarts

LOGIN, PASSWORD = "/v1/auth/login", "/v1/auth/password"


def change(api: Api, new: str) -> httpx.Response:
    reply = api.post(PASSWORD, {"current_password": api.password, "new_password": new})
    if reply.status_code == 200:
        api.adopt(reply)
        api.password = new
    return reply


def refused(api: Api, new: str, code: str) -> str:
    """The detail of the one mistake."""
    found = problem(change(api, new), "validation-failed", {"/new_password"})
    assert field_code(found, "/new_password") == code
    assert new not in str(found)
    return found["errors"][0]["detail"]


@pytest.fixture(scope="module")
def ada(instance, new_user):
    """A user whose name and address are known."""
    api = new_user("clinician", "Augusta Zephyrine")
    return api.login(api.email, api.password)


@pytest.mark.parametrize(
    "new",
    [
        "password1234",
        "PassWord1234",
        "qwertyuiop[]"[:10] + "123",
        "123456789012",
        "administrator",
        "unbelievable",
        "aaaaaaaaaaaaaaaa",
        "1qaz2wsx3edc4rfv",
    ],
)
def test_passwords_that_everybody_tries_are_refused(ada, new):
    assert "tried first" in refused(ada, new, "breached")


@pytest.mark.parametrize(
    "new", ["eleusis-2026!", "Zephyrine-1815", "welcome-doctor1", "hospital 2026"]
)
def test_words_of_the_service_and_the_person_are_not_enough(ada, new):
    assert "at least 8 characters" in refused(ada, new, "context")


def test_nor_is_the_address(ada):
    assert refused(ada, f"{ada.email}", "context")
    assert refused(ada, f"{ada.email.partition('@')[0]}-123", "context")


@pytest.mark.parametrize("length", [8, 11])
def test_length_is_what_counts(ada, length):
    assert "12 characters" in refused(ada, "mkzqvwxyjbtr"[:length], "min_length")


@pytest.mark.parametrize(
    "new",
    [
        "mkzqvwxyjbtr",  # no capitals, digits or signs
        "918273640571",  # digits alone
        "kitchen marble ostrich",
        " lead and trail ",
        "日本語のとても長い合言葉です",
        "x" * 3 + "kqzw vjtr" * 8,
    ],
)
def test_any_composition_is_taken(ada, anonymous, new):
    reply = change(ada, new)
    assert reply.status_code == 200, reply.text
    assert anonymous.post(LOGIN, {"email": ada.email, "password": new}).status_code == 200


def test_a_password_is_compared_as_it_was_sent(ada, anonymous):
    """Neither cut off, nor folded, trimmed or brought into another form of Unicode."""
    tail = "kqzw vjtr" * 80
    new = f" Zoë {tail}1"
    assert change(ada, new).status_code == 200
    for near in (
        new.strip(),
        new.lower(),
        new[:-1] + "2",
        new[:72],
        unicodedata.normalize("NFD", new),
    ):
        problem(anonymous.post(LOGIN, {"email": ada.email, "password": near}), "bad-credentials")
    assert anonymous.post(LOGIN, {"email": ada.email, "password": new}).status_code == 200


def test_passwords_do_not_expire(instance, ada, anonymous):
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.app_user SET created_at = now() - interval '9 years',"
            " updated_at = now() - interval '9 years' WHERE email = %s",
            [ada.email],
        )
    reply = anonymous.post(LOGIN, {"email": ada.email, "password": ada.password})
    assert reply.status_code == 200
    assert reply.json()["password_change_required"] is False


@pytest.mark.parametrize("page", ["login", "invite", "reset", "account"])
def test_pages_mask_passwords_and_let_managers_fill_them_in(anonymous, page):
    html = anonymous.get(f"/{page}").text
    (source,) = re.findall(r'<script[^>]* src="([^"]+)"', html)
    code = anonymous.get(source).text
    purpose = r'autocomplete:"(?:new|current)-password"'
    fields = re.findall(rf'type:"password",{purpose}[^}}]*', code)
    assert fields
    assert len(fields) == len(re.findall(purpose, code))
    assert not [field for field in fields if "maxlength" in field]
    assert "paste" not in code.lower()


def test_eleusisctl_asks_for_the_same(instance):
    for new, why in (("password1234", "tried first"), ("short", "too short"),
                     ("Quintessa-123", "about this service")):  # fmt: skip
        done = instance.ctl(
            "user", "create", data.email(), "--name", "Quintessa Vane", "--role", "auditor",
            "--password-file", "-", input=new + "\n", check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert why in done.stderr


def test_a_list_of_ones_own(instance, new_user, tmp_path):
    """Made by eleusisctl: from passwords, and from the hashes that are published."""
    api = new_user("clinician")
    api.login(api.email, api.password)
    text, hashes = tmp_path / "text", tmp_path / "hashes"
    text.write_text("mauve-Kestrel-71\nshort\n")
    # sha1("violet-kestrel-72"), sha1("russet-kestrel-73"), as Have I Been Pwned has them
    hashes.write_text(
        "740DD7E5033F403768E7E65F0CE036B5BB038A44:3\r\n"
        "BE7125C5361FB023DAB4D42E9A31428441FA7298:1\r\n"
    )
    first, second = tmp_path / "first.bin", tmp_path / "second.bin"
    made = instance.ctl("passwords", "build", str(text), "--out", str(first))
    assert made.stdout == "2 passwords\n"
    made = instance.ctl("passwords", "build", "-", "--out", str(second), input=hashes.read_text())
    assert made.stdout == "2 passwords\n"
    instance.restart(ELEUSIS_BREACHED_FILE=str(first), ELEUSIS_PASSWORD_MIN="15")
    try:
        refused(api, "mauve-Kestrel-71", "breached")
        refused(api, "MAUVE-KESTREL-71", "breached")
        assert "15 characters" in refused(api, "kqzwvjtrkqzwvj", "min_length")
        assert change(api, "mauve-Kestrel-72").status_code == 200
        instance.restart(ELEUSIS_BREACHED_FILE=str(second))
        for listed in ("violet-kestrel-72", "russet-kestrel-73"):
            refused(api, listed, "breached")
    finally:
        instance.restart()


# ---- hashes made anew -----------------------------------------------------------------------


def stored(instance, email: str) -> str:
    with connect(instance) as db:
        return db.execute(
            "SELECT password_hash FROM eleusis.app_user WHERE email = %s", [email]
        ).fetchone()["password_hash"]


def rehashes(instance, email: str) -> list[dict]:
    with connect(instance) as db:
        return db.execute(
            "SELECT e.* FROM eleusis.audit_event AS e JOIN eleusis.app_user AS u"
            " ON u.id = e.object_id WHERE u.email = %s AND e.action = 'user.password_rehash'",
            [email],
        ).fetchall()


def enter(api: Api, who: Api, password: str | None = None, device: str = "") -> httpx.Response:
    body = {"email": who.email, "password": password or who.password, "mode": "cookie"}
    headers = {"cookie": f"{COOKIE}={device}"} if device else {}
    return api.post(LOGIN, body, headers=headers)


def test_hashes_follow_the_settings(instance, new_user):
    """Raised between two starts: the next log-in stores a new hash of the same password."""
    who = new_user("clinician")
    with Api(instance) as api:
        reply = enter(api, who)
        device = api.http.cookies[COOKIE]
        session = api.http.headers["cookie"] = "; ".join(
            f"{k}={v}" for k, v in api.http.cookies.items()
        )
    assert reply.status_code == 200
    before = stored(instance, who.email)
    instance.restart(ELEUSIS_ARGON2_OPS="3", ELEUSIS_ARGON2_MEM_KIB="16384")
    try:
        with Api(instance) as api:
            problem(enter(api, who, data.password()), "bad-credentials")
            assert stored(instance, who.email) == before
            assert enter(api, who).status_code == 200
            wait_until(lambda: stored(instance, who.email) != before, 10, "the new hash")
            after = stored(instance, who.email)
            assert "$m=16384,t=3,p=1$" in after
            (row,) = rehashes(instance, who.email)
            assert (row["actor_kind"], row["outcome"]) == ("system", "allowed")
            assert row["object_type"] == "user"
            assert not row["detail"]
            # Once is enough, the password is the same, and the session goes on.
            assert enter(api, who).status_code == 200
            time.sleep(0.5)
            assert stored(instance, who.email) == after
            assert len(rehashes(instance, who.email)) == 1
            problem(enter(api, who, data.password()), "bad-credentials")
        with Api(instance) as api:
            assert api.http.get("/v1/me", headers={"cookie": session}).status_code == 200
        still_known(instance, who, device)
    finally:
        instance.restart()


def still_known(instance, who: Api, device: str) -> None:
    """The browser of before need not wait when others have failed too often."""
    instance.stop()
    instance.start(ELEUSIS_LOCKOUT_FREE="1", ELEUSIS_LOCKOUT_FIRST_S="600")
    with Api(instance) as api:
        for _ in range(3):
            reply = enter(api, who, data.password())
        problem(reply, "login-throttled")
        problem(enter(api, who), "login-throttled")
        assert enter(api, who, device=device).status_code == 200
