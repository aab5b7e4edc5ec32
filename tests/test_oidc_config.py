"""OIDC_FILE: mistakes stop the start in a clear line, and the documentation's example works."""

import json
import re
import subprocess

import pytest
from lib.client import Api
from lib.tables import ROOT, rows

pytestmark = pytest.mark.restarts

SECTION = (
    (ROOT / "docs/identity.md")
    .read_text()
    .partition("\n## Log-in by an OpenID Connect provider\n")[2]
    .partition("\n## ")[0]
)


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    made = tmp_path_factory.mktemp("oidc-config")
    for name, mode in (("good", 0o600), ("open", 0o644)):
        file = made / f"{name}.secret"
        file.write_text("a secret that is long enough\n")
        file.chmod(mode)
    (made / "short.secret").write_text("short\n")
    (made / "short.secret").chmod(0o600)
    return made


@pytest.fixture(scope="module")
def stopped(instance):
    instance.stop()
    yield instance
    instance.start()


def provider(where, **changes) -> dict:
    made = {
        "id": "one", "name": "One", "issuer": "https://example.org/one", "client_id": "eleusis",
        "client_secret_file": str(where / "good.secret"),
    } | changes  # fmt: skip
    return {name: value for name, value in made.items() if value is not ...}


def start(instance, file) -> tuple[int, str]:
    """How a start ends that must not succeed, and what it says."""
    since = instance.output.stat().st_size
    child = instance.spawn(ELEUSIS_OIDC_FILE=str(file))
    try:
        code = child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        raise
    return code, instance.output.read_bytes()[since:].decode(errors="replace")


MISTAKES = {
    "id missing": ({"id": ...}, "provider without id: id:"),
    "id": ({"id": "One"}, "provider One: id:"),
    "unknown member": ({"secret": "x"}, "provider one: secret:"),
    "issuer http": ({"issuer": "http://example.org"}, "provider one: issuer:"),
    "issuer of nobody": ({"issuer": "http://localhost.example.org"}, "provider one: issuer:"),
    "issuer with a query": ({"issuer": "https://example.org/?a"}, "provider one: issuer:"),
    "issuer with a name": ({"issuer": "https://me@example.org"}, "provider one: issuer:"),
    "secret missing": ({"client_secret_file": ...}, "provider one: client_secret_file:"),
    "secret not there": ({"client_secret_file": "/nowhere"}, "cannot read /nowhere"),
    "secret open to all": ({"client_secret_file": "open"}, "others may read it"),
    "secret too short": ({"client_secret_file": "short"}, "its first line is no secret"),
    "secret of nobody": ({"auth_method": "none"}, "provider one: client_secret_file:"),
    "auth_method": ({"auth_method": "private"}, "provider one: auth_method:"),
    "alg none": ({"algs": ["RS256", "none"]}, "provider one: algs:"),
    "alg HS256": ({"algs": ["HS256"]}, "provider one: algs:"),
    "no algs": ({"algs": []}, "provider one: algs:"),
    "scopes": ({"scopes": ["email"]}, "provider one: scopes:"),
    "link": ({"link": "email"}, "provider one: link:"),
    "roles alone": ({"roles": {"a": "admin"}}, "provider one: roles:"),
    "role": ({"role_claim": "g", "roles": {"a": "chief"}}, 'provider one: roles: "a"'),
    "no roles": ({"role_claim": "g", "roles": {}}, "provider one: roles:"),
    "default_role": ({"default_role": "chief"}, "provider one: default_role:"),
    "provision": ({"provision": True}, "provider one: provision:"),
    "mfa": ({"mfa": {"arm": []}}, "provider one: mfa/arm:"),
    "mfa of numbers": ({"mfa": {"acr": [2]}}, "provider one: "),
    "max_age": ({"max_age": 0}, "provider one: max_age:"),
    "callback_id": ({"callback_id": "one"}, "provider one: callback_id:"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_stops_the_start(stopped, where, case):
    changes, words = MISTAKES[case]
    changes = dict(changes)
    if changes.get("client_secret_file") in ("open", "short"):
        changes["client_secret_file"] = str(where / f"{changes['client_secret_file']}.secret")
    file = where / "providers.json"
    file.write_text(json.dumps([provider(where, **changes)]))
    code, said = start(stopped, file)
    assert code != 0
    assert f"OpenID Connect: {file}: provider " in said, said
    assert words in said, said
    assert "long enough" not in said


TWO = {
    "id": ({}, {"issuer": "https://example.org/two"}),
    "issuer": ({}, {"id": "two"}),
    "callback_id": (
        {"callback_id": "7a0e6d0c-3f0b-4b7e-9c8e-1d2f3a4b5c6d"},
        {"id": "two", "issuer": "https://example.org/two",
         "callback_id": "7a0e6d0c-3f0b-4b7e-9c8e-1d2f3a4b5c6d"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("member", TWO)
def test_two_providers_are_two(stopped, where, member):
    first, second = TWO[member]
    file = where / "providers.json"
    file.write_text(json.dumps([provider(where, **first), provider(where, **second)]))
    code, said = start(stopped, file)
    assert code != 0
    assert f": {member}: another provider has the same" in said, said


@pytest.mark.parametrize("text", ["", "[", "{}", '[{"id":"a","id":"b"}]', "[1]"])
def test_a_file_that_is_no_list(stopped, where, text):
    file = where / "providers.json"
    file.write_text(text)
    code, said = start(stopped, file)
    assert code != 0
    assert f"OpenID Connect: {file}: " in said, said


def test_the_example_works(stopped, where):
    """What docs/identity.md shows, with the secrets it names."""
    (text,) = re.findall(r"```json\n(.*?)```", SECTION, re.S)
    text = re.sub(r"/etc/eleusis/\w+\.secret", str(where / "good.secret"), text)
    file = where / "example.json"
    file.write_text(text)
    stopped.start(ELEUSIS_OIDC_FILE=str(file))
    try:
        with Api(stopped) as api:
            listed = api.get("/v1/auth/providers").json()["items"]
    finally:
        stopped.stop()
    assert [item["id"] for item in listed] == [one["id"] for one in json.loads(text)]


def test_members_and_reasons_are_documented():
    source = (ROOT / "src/oidc/provider_file.c").read_text()
    members = re.search(r"fields\[\] = \{\n\t\{ \"id\".*?\n\};", source, re.S)[0]
    for name in re.findall(r'^\t\{ "(\w+)"', members, re.M):
        assert f"`{name}`" in SECTION, name
    for _, slug, text in rows("oidc/tbl/reasons.def", "REASON"):
        assert f"| `{slug}` | {text} |" in SECTION
