"""Log-in by a real OpenID Connect provider (npm's oidc-provider), from end to end."""

import json
import os
import re
import secrets
import socket
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from lib import data
from lib.browser import Browser
from lib.db import audit_of
from lib.oidc import assert_refused, begin, browser, goes_on_to
from lib.process import wait_until
from lib.tables import ROOT

pytestmark = pytest.mark.restarts

PROVIDER = ROOT / "tests/oidc-provider/provider.mjs"
MODULES = ROOT / "var/oidc-provider"
FORM = re.compile(r'<form[^>]*action="([^"]+)"(.*?)</form>', re.S)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Real:
    """The provider's process."""

    def __init__(self, instance, where):
        self.port, self.secret = free_port(), secrets.token_urlsafe(24)
        self.url = f"http://localhost:{self.port}"
        self.log = where / "provider.log"
        script = MODULES / PROVIDER.name
        script.write_text(PROVIDER.read_text())
        with self.log.open("w") as out:
            self.child = subprocess.Popen(
                ["node", script, str(self.port), instance.url, self.secret],
                env=os.environ | {"NODE_EXTRA_CA_CERTS": str(instance.ca)},
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(lambda: "ready" in self.log.read_text(), 30, "the provider")

    def rotate(self) -> None:
        assert httpx.post(f"{self.url}/rotate").status_code == 204

    def keys(self) -> set[str]:
        return {key["kid"] for key in httpx.get(f"{self.url}/jwks").json()["keys"]}

    def close(self) -> None:
        self.child.terminate()
        self.child.wait(10)


@pytest.fixture(scope="module")
def real(instance, tmp_path_factory):
    where = tmp_path_factory.mktemp("real")
    provider = Real(instance, where)
    secret, file = where / "client.secret", where / "providers.json"
    secret.write_text(provider.secret)
    secret.chmod(0o600)
    file.write_text(json.dumps([{
        "id": "hospital", "name": "Hospital", "issuer": provider.url, "client_id": "eleusis",
        "client_secret_file": str(secret), "link": "email_verified", "provision": True,
        "role_claim": "groups", "roles": {"wards": "clinician", "auditors": "auditor"},
    }]))  # fmt: skip
    # The workers find two addresses, of which the first one refuses.
    hosts = Path(instance.env["KORE_ROOT"]) / "etc/hosts"
    before = hosts.read_text()
    hosts.write_text("::1 localhost\n127.0.0.1 localhost\n")
    instance.restart(ELEUSIS_OIDC_FILE=str(file))
    yield provider
    provider.close()
    hosts.write_text(before)
    instance.restart()


def visit(http: httpx.Client, reply: httpx.Response, name: str) -> str:
    """Through the provider's pages, as a person would; where it sends the browser at last."""
    for _ in range(20):
        if reply.is_redirect:
            url = urljoin(str(reply.url), reply.headers["location"])
            if not url.startswith("http://localhost"):
                return url
            reply = http.get(url)
            continue
        assert reply.status_code == 200, reply.text
        action, inside = FORM.search(reply.text).groups()
        fields = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', inside))
        if 'name="login"' in inside:
            fields |= {"login": name, "password": "any"}
        reply = http.post(urljoin(str(reply.url), action), data=fields)
    raise AssertionError("lost among the provider's pages")


class Person:
    """One browser, with what it remembers of both sides."""

    def __init__(self, instance, name: str):
        self.instance, self.name = instance, name
        self.http = browser(instance)
        self.there = httpx.Client(headers={"accept": "text/html"})

    def log_in(self) -> httpx.Response:
        flow = begin(self.instance, "hospital", http=self.http)
        url = visit(self.there, self.there.get(flow.url), self.name)
        assert url.startswith(self.instance.url + "/v1/auth/oidc/callback?"), url
        self.answer = parse_qs(urlsplit(url).query)
        return self.http.get(url)

    def me(self) -> httpx.Response:
        return self.http.get("/v1/me", headers={"accept": "application/json"})

    def post(self, path: str) -> httpx.Response:
        csrf = self.me().json()["session"]["csrf_token"]
        return self.http.post(path, headers={"x-csrf-token": csrf, "accept": "application/json"})


@pytest.fixture
def person(instance, real):
    def make(name: str | None = None) -> Person:
        return Person(instance, name or data.email())

    return make


def test_a_new_colleague_logs_in(instance, person):
    """PKCE, nonce, client authentication and all else a good provider insists on."""
    colleague = person()
    reply = colleague.log_in()
    assert goes_on_to(reply) == "/account"
    assert colleague.answer["iss"], "the provider names itself"
    user = colleague.me().json()["user"]
    assert (user["email"], user["role"]) == (colleague.name, "clinician")
    assert user["name"] == "Somebody There"
    rows = {row["action"]: row["outcome"] for row in audit_of(instance, reply)}
    assert rows == {"user.create": "allowed", "auth.oidc": "allowed"}


def test_an_account_that_is_there_is_found(instance, person, new_user):
    user = new_user("clinician")
    colleague = person(user.email)
    assert goes_on_to(colleague.log_in()) == "/account"
    assert colleague.me().json()["user"]["email"] == user.email


def test_roles_come_from_claims(instance, person):
    auditor = person(f"auditor.{data.email()}")
    assert goes_on_to(auditor.log_in()) == "/account"
    assert auditor.me().json()["user"]["role"] == "auditor"
    assert_refused(instance, person(f"visitor.{data.email()}").log_in(), "no-role")
    assert_refused(instance, person(f"unverified.{data.email()}").log_in(), "not-linked")


def test_the_provider_changes_its_keys(real, person):
    colleague = person()
    assert goes_on_to(colleague.log_in()) == "/account"
    before = real.keys()
    real.rotate()
    assert real.keys().isdisjoint(before)
    assert goes_on_to(colleague.log_in()) == "/account"


def test_a_code_is_good_once_and_a_wrong_verifier_opens_nothing(instance, real, person):
    """The provider checks PKCE: a code that was stolen from one flow is of no use in another."""
    thief, victim = person(), person()
    flow = begin(instance, "hospital", http=victim.http)
    url = visit(victim.there, victim.there.get(flow.url), victim.name)
    stolen = {k: v for k, (v,) in parse_qs(urlsplit(url).query).items()}
    own = begin(instance, "hospital", http=thief.http)
    assert_refused(instance, own.back(stolen["code"], real.url), "token-endpoint")
    assert "PKCE" in real.log.read_text()


def test_log_out_there_through_the_log_out_here(instance, real, person):
    """RP-initiated log-out ends the session there too: the next log-in asks for the name."""
    colleague = person()
    assert goes_on_to(colleague.log_in()) == "/account"
    reply = colleague.post("/v1/auth/oidc/logout")
    assert colleague.me().status_code == 401
    url = reply.json()["url"]
    assert url.startswith(f"{real.url}/session/end?")
    page = colleague.there.get(url)
    assert page.status_code == 200
    action, inside = FORM.search(page.text).groups()
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', inside)) | {"logout": "yes"}
    done = colleague.there.post(action, data=fields)
    assert done.headers["location"].startswith(f"{instance.url}/login")
    flow = begin(instance, "hospital", http=colleague.http)
    asked = colleague.there.get(flow.url)
    assert "/interaction/" in asked.headers["location"]


def test_log_out_there_ends_the_session_here(instance, real, person):
    """Back-channel: the provider itself calls, with a token that it signed."""
    colleague, other = person(), person()
    for each in (colleague, other):
        assert goes_on_to(each.log_in()) == "/account"
    page = colleague.there.get(f"{real.url}/session/end")
    action, inside = FORM.search(page.text).groups()
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', inside)) | {"logout": "yes"}
    colleague.there.post(action, data=fields)
    wait_until(lambda: colleague.me().status_code == 401, 10, "the end of the session")
    assert other.me().status_code == 200


# ---- in a browser ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(instance, real):
    with Browser(instance) as made:
        yield made


def answer_provider(page, name: str) -> None:
    """Its two pages: who it is, and that she agrees."""
    page.until(lambda: page.run("!!document.querySelector('[name=login]')"), "its log-in page")
    page.run(
        """(name) => { const form = document.querySelector("form");
        form.elements.login.value = name; form.elements.password.value = "any";
        void setTimeout(() => form.submit()); }""",
        name,
    )
    page.until(
        lambda: page.run("document.querySelector('[name=prompt]')?.value === 'consent'"),
        "its question",
    )
    page.run("void setTimeout(() => document.querySelector('form').submit())")


def test_a_person_logs_in_by_the_button(chromium, new_user):
    """From our log-in page to the provider and back; what is left in the browser."""
    user = new_user("clinician", "Ada Example")
    page = chromium.page("/login")
    page.click("Log in with Hospital")
    answer_provider(page, user.email)
    page.at("/account")
    page.sees("Ada Example")
    assert page.complaints == []
    assert page.storage() == {}
    cookies = page.cookies()
    assert cookies["__Host-eleusis"]["sameSite"] == "Strict"
    assert cookies["__Host-eleusis"]["httpOnly"]
    assert cookies["__Host-eleusis-oidc"]["sameSite"] == "Lax"
    # Another site's link begins nothing, though the provider would ask no more.
    other = page.tab("data:text/html,<a href='" + chromium.url
                     + "/v1/auth/oidc/start?provider=hospital'>Free cake</a>")  # fmt: skip
    other.click("Free cake")
    other.at("/v1/auth/oidc/start")
    other.sees("The log-in was begun by another site.")


def test_a_person_links_the_provider(chromium, new_user):
    user = new_user("clinician", "Bea Example")
    page = chromium.page("/login")
    page.fill("E-mail address", user.email)
    page.fill("Password", user.password)
    page.click("Log in")
    page.at("/account")
    page.click("Link Hospital")
    answer_provider(page, data.email())
    page.at("/account")
    page.sees("Unlink")
    assert page.complaints == []


def test_a_person_logs_out_of_both(real, chromium):
    """With the button of the log-in page, over the provider's own pages, and out again."""
    page, name = chromium.page("/login"), data.email()
    page.click("Log in with Hospital")
    page.until(lambda: page.address.startswith(real.url) and page.controls(), "the provider")
    page.run("(name) => { document.querySelector('[name=login]').value = name; }", name)
    page.run("document.querySelector('[name=password]').value = 'any'")
    page.click("Sign-in")
    page.click("Continue")
    page.at("/account")
    page.sees(name)
    page.sees("Linked log-ins")
    page.click("Log out")
    page.until(lambda: page.address.startswith(real.url), "the provider")
    page.click("Yes, sign me out")
    page.at("/login")
    page.goto("/account").at("/login")
    assert page.complaints == []
    page.close()
