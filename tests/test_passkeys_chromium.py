"""Passkeys in Chromium, with its virtual authenticator: the browser's own idea of WebAuthn.

The page that asks is a page of the server's own origin, with the headers that its pages have. What
it sends is what PublicKeyCredential.toJSON() makes, unread by anything of ours before the server.
"""

import re
import shutil

import pytest
from lib.authenticator import LOGIN, MINE, VERIFY, adopt
from lib.browser import Browser, Page
from lib.client import Api
from lib.db import audit_row
from lib.problem import problem
from lib.tables import ROOT

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("certutil")), reason="no Chromium, no certutil"
)

PAGE = "/reset"  # asks for no passkey of its own, as /login does

CREATE = """async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    try {
        return (await navigator.credentials.create({ publicKey })).toJSON();
    } catch (error) { return error.name; }
}"""
GET = """async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    try {
        return (await navigator.credentials.get({ publicKey })).toJSON();
    } catch (error) { return error.name; }
}"""


@pytest.fixture(scope="module")
def browser(instance):
    with Browser(instance) as made:
        yield made


@pytest.fixture
def page(browser):
    made = browser.page(PAGE)
    yield made
    made.close()


def asked(api: Api, path: str) -> dict:
    reply = api.post(f"{path}/options")
    assert reply.status_code == 200, reply.text
    return reply.json()


def register(api: Api, page: Page) -> dict:
    credential = page.run(CREATE, asked(api, MINE))
    assert isinstance(credential, dict), credential
    reply = api.post(MINE, {"name": "Chromium's", "credential": credential})
    assert reply.status_code == 201, reply.text
    return adopt(api, reply)["passkey"]


def prove(api: Api, page: Page, path: str):
    credential = page.run(GET, asked(api, path))
    assert isinstance(credential, dict), credential
    return api.post(path, {"credential": credential})


def test_a_passkey_all_the_way(instance, page, anonymous, log_in):
    api, device = log_in("clinician"), page.authenticator()
    made = register(api, page)
    assert made["transports"] == ["internal"]
    (kept,) = device.credentials()
    assert kept["rpId"] == "localhost"
    assert kept["isResidentCredential"]

    # Nobody says who it is but the passkey.
    reply = prove(anonymous, page, LOGIN)
    assert reply.status_code == 200, reply.text
    assert reply.json()["user"]["id"] == api.user["id"]
    assert audit_row(instance, reply, "auth.passkey")["detail"]["passkey"] == made["id"]

    with Api(instance) as half:
        half.login(api.email, api.password)
        assert half.reply["stage"] == "second-factor"
        reply = prove(half, page, VERIFY)
        assert reply.status_code == 200, reply.text
        assert reply.json()["stage"] == "full"
    assert device.credentials()[0]["signCount"] >= 2


def test_the_browser_refuses_a_second_one(page, log_in):
    """excludeCredentials keeps one authenticator from being registered twice."""
    api = log_in("clinician")
    page.authenticator()
    register(api, page)
    assert page.run(CREATE, asked(api, MINE)) == "InvalidStateError"


def test_who_is_not_verified_gets_nowhere(page, anonymous, log_in):
    api, device = log_in("clinician"), page.authenticator()
    register(api, page)
    device.verified(False)
    assert page.run(GET, asked(anonymous, LOGIN)) == "NotAllowedError"


def test_a_security_key_is_a_second_factor_too(instance, page, log_in):
    """Without room for the passkey itself: asked for by its name, it answers."""
    api = log_in("clinician")
    page.authenticator(transport="usb", hasResidentKey=False)
    made = register(api, page)
    assert made["transports"] == ["usb"]
    assert prove(api, page, VERIFY).status_code == 200


def test_a_copy_of_the_authenticator_is_found_out(instance, browser, page, anonymous, log_in):
    """Another page's authenticator gets the same private key, and an older counter."""
    api, device = log_in("clinician"), page.authenticator()
    register(api, page)
    (stolen,) = device.credentials()
    for _ in range(3):
        assert prove(anonymous, page, LOGIN).status_code == 200
    thief = browser.page(PAGE)
    thief.authenticator().add(stolen)
    reply = prove(anonymous, thief, LOGIN)
    problem(reply, "bad-credentials")
    row = audit_row(instance, reply, "auth.passkey", "denied")
    assert (row["detail"]["reason"], row["detail"]["alert"]) == ("counter", True)
    thief.close()


def test_another_site_cannot_ask(page):
    """The browser itself keeps our passkeys from other domains, and theirs from ours."""
    options = {
        "challenge": "A" * 43, "rpId": "example.org", "userVerification": "required",
        "allowCredentials": [],
    }  # fmt: skip
    page.authenticator()
    assert page.run(GET, options) == "SecurityError"


def test_the_example_of_the_document_works(page, new_user):
    """docs/identity.md, as it stands: the browser ends up logged in by its new passkey."""
    text = (ROOT / "docs/identity.md").read_text().partition("## Passkeys")[2]
    example = re.search(r"```js\n(.*?)```", text, re.S)[1]
    user = new_user("clinician")
    page.authenticator()
    csrf = page.run(
        """async (body) => (await (await fetch("/v1/auth/login", { method: "POST",
            headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).json()
        ).csrf_token""",
        {"email": user.email, "password": user.password, "mode": "cookie"},
    )
    me = page.run(f"async (csrf) => {{ {example}; return (await fetch('/v1/me')).json(); }}", csrf)
    assert me["user"]["email"] == user.email
    assert me["session"]["amr"] == ["passkey"]
