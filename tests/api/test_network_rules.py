"""Network rules: who may change them, which one decides, and that all workers follow."""

import threading

import pytest
from lib import data
from lib.client import Api
from lib.db import audit_of, audit_row, connect
from lib.network import RULES, add, denied, remove_all, rule, soon, statuses, wait_for
from lib.problem import field_code, problem
from lib.process import wait_until

CHECK = f"{RULES}/check"


@pytest.fixture(autouse=True)
def tidy(instance):
    """Each test begins and ends without rules, on every worker."""
    remove_all(instance)
    yield
    remove_all(instance)
    wait_for(instance, "127.0.0.1", 200)


@pytest.fixture(scope="module")
def apart(instance, admin):
    """The administrator at another address: one that may be shut out."""
    with Api(instance, admin.token, source="127.0.0.50") as api:
        yield api


def synced(admin):
    """A change of nothing: whoever answers has read what the database has."""
    made = add(admin, rule("allow", "203.0.113.99"))[0]
    admin.http.delete(f"{RULES}/{made['id']}").raise_for_status()


def verdict(admin, address: str) -> tuple[bool, str | None]:
    """What is said of an address, and by the rule of which network."""
    reply = admin.post(CHECK, {"address": address})
    assert reply.status_code == 200, reply.text
    body = reply.json()
    return body["allowed"], body["rule"] and body["rule"]["network"]


# ---- what rules do ------------------------------------------------------------


def test_without_rules_everybody_may_come(instance, admin):
    assert statuses(instance, "127.0.0.77") == {200}
    synced(admin)
    wait_until(lambda: verdict(admin, "192.0.2.1") == (True, None), 5, "an empty list")


def test_a_denied_network_reaches_nothing(instance, admin):
    with (
        denied(instance, admin, "127.0.0.64/26", "127.0.0.77"),
        Api(instance, source="127.0.0.77") as out,
        Api(instance, source="127.0.0.128") as other,
    ):
        for reply in (
            out.get("/v1/me"),
            out.get("/openapi.json"),
            out.get("/no/such/path"),
            out.post("/v1/auth/login", {"email": data.email(), "password": "x"}),
            out.http.options("/v1/patients"),
        ):
            body = problem(reply, "network-denied")
            assert "127.0.0" not in body["detail"]
            assert audit_of(instance, reply) == [], "one row a request"
        problem(other.get("/v1/me"), "unauthenticated")
        problem(other.get("/no/such/path"), "not-found")


def test_a_good_session_does_not_help(instance, admin, apart):
    assert apart.get("/v1/me").status_code == 200
    with denied(instance, admin, "127.0.0.50", "127.0.0.50"):
        problem(apart.get("/v1/me"), "network-denied")
    assert apart.get("/v1/me").status_code == 200


def test_health_and_metrics_stay_for_this_host(instance, admin):
    with (
        denied(instance, admin, "127.0.0.77", "127.0.0.77"),
        Api(instance, source="127.0.0.77") as out,
    ):
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert out.get(path).status_code == 200, path
        problem(out.get("/healthy"), "network-denied")


def test_the_first_match_decides(instance, admin):
    late, early = add(
        admin,
        rule("deny", "127.0.0.0/26", position=40),
        rule("allow", "127.0.0.0/8", position=30),
    )
    wait_for(instance, "127.0.0.60", 200)
    moved = admin.patch(f"{RULES}/{early['id']}", {"position": 50, "force": True})
    assert moved.status_code == 200, moved.text
    assert moved.json() == early | {"position": 50, "updated_at": moved.json()["updated_at"]}
    with Api(instance, source="127.0.0.1") as me:
        wait_until(lambda: me.get("/openapi.json").status_code == 403, 5, "the new order")
    wait_for(instance, "127.0.0.60", 403)
    assert statuses(instance, "127.0.0.64") == {200}
    with Api(instance, admin.token, source="127.0.0.64") as elsewhere:
        assert elsewhere.http.delete(f"{RULES}/{late['id']}").status_code == 204
    wait_for(instance, "127.0.0.60", 200)


def test_an_allow_list_ends_with_two_rules(admin):
    add(
        admin,
        rule("allow", "127.0.0.0/8"),
        rule("allow", "2001:db8:1::/48"),
        rule("deny", "0.0.0.0/0"),
        rule("deny", "::/0"),
    )
    expected = {
        "127.1.2.3": (True, "127.0.0.0/8"),
        "::ffff:127.1.2.3": (True, "127.0.0.0/8"),
        "128.0.0.1": (False, "0.0.0.0/0"),
        "2001:db8:1::7": (True, "2001:db8:1::/48"),
        "2001:db8:2::7": (False, "::/0"),
        "::1": (False, "::/0"),
    }
    for address, said in expected.items():
        wait_until(lambda a=address, s=said: verdict(admin, a) == s, 5, address)


def test_equal_positions_go_by_age(admin):
    first, second = add(
        admin,
        rule("deny", "192.0.2.0/24", position=7),
        rule("allow", "192.0.2.0/25", position=7),
    )
    listed = [i["id"] for i in admin.get(RULES).json()["items"]]
    assert listed == [first["id"], second["id"]]
    wait_until(lambda: verdict(admin, "192.0.2.1") == (False, "192.0.2.0/24"), 5, "the older one")


# ---- expiry ---------------------------------------------------------------------


def test_an_expired_rule_uncovers_the_next(instance, admin):
    add(
        admin,
        rule("deny", "127.0.0.77", expires_at=soon(2.5)),
        rule("allow", "127.0.0.77", expires_at=soon(3.5)),
        rule("deny", "127.0.0.64/26"),
    )
    assert 403 in statuses(instance, "127.0.0.77", times=3)
    wait_for(instance, "127.0.0.77", 200)
    wait_for(instance, "127.0.0.77", 403)


def test_expired_rules_are_listed_on_request(admin):
    keep, gone = add(
        admin,
        rule("deny", "192.0.2.0/24"),
        rule("deny", "198.51.100.0/24", expires_at=soon(0.4)),
    )

    def names(**query):
        return [i["id"] for i in admin.get(RULES, **query).json()["items"]]

    wait_until(lambda: names() == [keep["id"]], 5, "the expiry")
    assert names(expired="true") == [keep["id"], gone["id"]]
    assert names(expired="false") == [keep["id"]]
    # It can be brought back.
    again = admin.patch(f"{RULES}/{gone['id']}", {"expires_at": None})
    assert again.json()["expires_at"] is None
    wait_until(lambda: not verdict(admin, "198.51.100.1")[0], 5, "the rule back in force")


# ---- changing them ------------------------------------------------------------------


def test_a_rule_and_its_life(instance, admin, auditor):
    created = admin.post(RULES, {"rules": [rule("deny", "192.0.2.0/24", note="a scan")]})
    assert created.status_code == 201, created.text
    made, revision = created.json()["items"][0], created.json()["revision"]
    assert created.headers["etag"] == f'"{revision}"'
    assert made | {"action": "deny", "network": "192.0.2.0/24", "note": "a scan"} == made
    assert made["created_by"] == admin.user["id"]
    path = f"{RULES}/{made['id']}"
    assert created.headers["location"] == path
    assert auditor.get(path).json() == made
    changed = admin.patch(path, {"note": None, "position": 5, "expires_at": "2099-01-01T00:00:00Z"})
    assert changed.status_code == 200
    after = changed.json()
    assert (after["note"], after["position"]) == (None, 5)
    assert after["expires_at"].startswith("2099-01-01T00:00:00")
    assert changed.headers["etag"] == f'"{revision + 1}"'
    assert auditor.get(path).json() == after
    removed = admin.http.delete(path)
    assert (removed.status_code, removed.content) == (204, b"")
    assert removed.headers["etag"] == f'"{revision + 2}"'
    for reply in (auditor.get(path), admin.patch(path, {}), admin.http.delete(path)):
        problem(reply, "not-found")


def test_changes_are_in_the_audit_log(instance, admin):
    created = admin.post(RULES, {"rules": [rule("deny", "192.0.2.0/24", note="SECRET-NOTE")]})
    made = created.json()["items"][0]
    row = audit_row(instance, created, "network.create")
    assert (row["object_type"], str(row["object_id"])) == ("network_rule", made["id"])
    state = {k: made[k] for k in ("id", "position", "action", "network", "expires_at")}
    assert row["detail"] == {
        "revision": created.json()["revision"], "count": 1, "after": [state],
    }  # fmt: skip
    changed = admin.patch(f"{RULES}/{made['id']}", {"position": 3, "note": "SECRET-NOTE 2"})
    detail = audit_row(instance, changed, "network.update")["detail"]
    assert (detail["before"], detail["after"]) == (state, state | {"position": 3})
    assert detail["note_changed"] is True
    removed = admin.http.delete(f"{RULES}/{made['id']}")
    detail = audit_row(instance, removed, "network.delete")["detail"]
    assert detail["before"] == state | {"position": 3}
    assert "after" not in detail
    for reply in (created, changed, removed):
        assert "SECRET-NOTE" not in str(audit_of(instance, reply))


def test_many_rules_in_one_request(instance, admin):
    many = [rule("deny", f"10.{i // 256}.{i % 256}.0/24") for i in range(1000)]
    reply = admin.post(RULES, {"rules": many})
    assert reply.status_code == 201, reply.text
    assert reply.headers["location"] == RULES
    items = reply.json()["items"]
    assert [i["network"] for i in items] == [m["network"] for m in many]
    positions = [i["position"] for i in items]
    assert positions == sorted(positions)
    assert len(set(positions)) == 1000
    detail = audit_row(instance, reply, "network.create")["detail"]
    assert detail["count"] == 1000
    assert detail["after"][0]["id"] == items[0]["id"]
    seen, cursor = [], None
    while True:
        page = admin.get(RULES, limit=300, **({"cursor": cursor} if cursor else {})).json()
        seen += page["items"]
        if not (cursor := page["next_cursor"]):
            break
    assert seen == items
    wait_until(lambda: verdict(admin, "10.3.231.1") == (False, "10.3.231.0/24"), 5, "the last one")
    # The next one comes after them all.
    assert add(admin, rule("allow", "10.0.0.0/8"))[0]["position"] > positions[-1]


def test_all_or_none(admin):
    rules = [rule("deny", "192.0.2.0/24"), rule("deny", "192.0.2.1/24"), rule("deny", "any")]
    rules += [rule("deny", "::1/128", expires_at="2001-01-01T00:00:00Z")]
    pointers = {"/rules/1/network", "/rules/2/network", "/rules/3/expires_at"}
    body = problem(admin.post(RULES, {"rules": rules}), "validation-failed", pointers)
    assert field_code(body, "/rules/1/network") == "format"
    assert field_code(body, "/rules/3/expires_at") == "min"
    assert admin.get(RULES).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/rules"}),
        ({"rules": []}, {"/rules"}),
        ({"rules": [rule("deny", "10.0.0.0/8")] * 1001}, {"/rules"}),
        ({"rules": [rule("drop", "10.0.0.0/8")]}, {"/rules/0/action"}),
        ({"rules": [rule("deny", "10.0.0.0/8", position=0)]}, {"/rules/0/position"}),
        ({"rules": [rule("deny", "10.0.0.0/8", position=2**31)]}, {"/rules/0/position"}),
        ({"rules": [rule("deny", "10.0.0.0/8", note="")]}, {"/rules/0/note"}),
        ({"rules": [rule("deny", "10.0.0.0/8", note="x" * 201)]}, {"/rules/0/note"}),
        ({"rules": [rule("deny", "10.0.0.0/8", expires_at="soon")]}, {"/rules/0/expires_at"}),
        ({"rules": [rule("deny", "10.0.0.0/8", id="x")]}, {"/rules/0/id"}),
        ({"rules": [rule("deny", "10.0.0.0/33")]}, {"/rules/0/network"}),
        ({"rules": [rule("deny", "10.0.0.0/8\0")]}, {"/rules/0/network"}),
        ({"rules": [rule("deny", "fe80::1%lo")]}, {"/rules/0/network"}),
        ({"rules": [rule("deny", "localhost")]}, {"/rules/0/network"}),
    ],
)
def test_bodies_are_checked(admin, body, pointers):
    problem(admin.post(RULES, body), "validation-failed", pointers)


def test_patches_are_checked(admin):
    path = f"{RULES}/{add(admin, rule('deny', '192.0.2.0/24'))[0]['id']}"
    for body, pointer in (
        ({"position": None}, "/position"),
        ({"action": "allow"}, "/action"),
        ({"network": "192.0.2.0/25"}, "/network"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
    ):
        problem(admin.patch(path, body), "validation-failed", {pointer})


def test_addresses_are_checked(admin):
    for address in ("192.0.2.0/24", "x", "192.0.2.256", "::1%lo", "192.0.2.1\0"):
        problem(admin.post(CHECK, {"address": address}), "validation-failed", {"/address"})


# ---- who may -------------------------------------------------------------------------


def test_administrators_change_and_auditors_read(admin, auditor, clinician, service, anonymous):
    path = f"{RULES}/{add(admin, rule('deny', '192.0.2.0/24'))[0]['id']}"
    assert auditor.get(RULES).status_code == 200
    assert auditor.post(CHECK, {"address": "192.0.2.1"}).status_code == 200
    for other in (auditor, clinician, service):
        problem(other.post(RULES, {"rules": [rule("allow", "0.0.0.0/0")]}), "forbidden")
        problem(other.patch(path, {"position": 1}), "forbidden")
        problem(other.http.delete(path), "forbidden")
    for other in (clinician, service):
        problem(other.get(RULES), "forbidden")
        problem(other.get(path), "forbidden")
        problem(other.post(CHECK, {"address": "192.0.2.1"}), "forbidden")
    problem(anonymous.get(RULES), "unauthenticated")
    assert len(admin.get(RULES).json()["items"]) == 1


def test_a_disabled_administrator_changes_nothing(instance, log_in):
    gone = log_in("admin")
    instance.ctl("user", "disable", "--email", gone.email)
    reply = gone.post(RULES, {"rules": [rule("deny", "192.0.2.0/24")]})
    assert reply.status_code in (401, 403), reply.text


# ---- not oneself -----------------------------------------------------------------------


def test_nobody_locks_herself_out_by_mistake(instance, admin, apart):
    refused = apart.post(RULES, {"rules": [rule("deny", "127.0.0.48/28")]})
    problem(refused, "conflict")
    row = audit_row(instance, refused, "network.create", "failed")
    assert row["detail"] == {"problem": "conflict"}
    assert admin.get(RULES).json()["items"] == []
    # Behind a rule that lets her in it is harmless.
    let, shut = add(apart, rule("allow", "127.0.0.50"), rule("deny", "127.0.0.48/28"))
    wait_for(instance, "127.0.0.51", 403)
    problem(apart.http.delete(f"{RULES}/{let['id']}"), "conflict")
    problem(apart.patch(f"{RULES}/{let['id']}", {"position": 1000}), "conflict")
    problem(apart.patch(f"{RULES}/{shut['id']}", {"position": 1}), "conflict")
    assert [i["id"] for i in admin.get(RULES).json()["items"]] == [let["id"], shut["id"]]
    assert apart.patch(f"{RULES}/{let['id']}", {"note": "me"}).status_code == 200


def test_unless_she_insists(instance, admin, apart):
    let, _ = add(apart, rule("allow", "127.0.0.50"), rule("deny", "127.0.0.48/28"))
    removed = apart.http.delete(f"{RULES}/{let['id']}", params={"force": "true"})
    assert removed.status_code == 204
    assert audit_row(instance, removed, "network.delete")["detail"]["forced"] is True
    wait_for(instance, "127.0.0.50", 403)
    problem(apart.get("/v1/me"), "network-denied")
    assert admin.get("/v1/me").status_code == 200


def test_the_machine_itself_can_let_everybody_in_again(instance, admin, apart):
    add(apart, rule("deny", "127.0.0.50", note="oops"), force=True)
    wait_for(instance, "127.0.0.50", 403)
    listed = instance.ctl("network", "list").stdout
    assert "deny   127.0.0.50/32 " in listed
    assert "oops" in listed
    assert instance.ctl("network", "clear").stdout == "1 rules removed\n"
    assert instance.ctl("network", "clear").stdout == "0 rules removed\n"
    assert instance.ctl("network", "list").stdout.startswith("no rules")
    wait_for(instance, "127.0.0.50", 200)
    with connect(instance) as db:
        rows = db.execute(
            "SELECT actor_kind, detail FROM eleusis.audit_event WHERE action = 'network.clear'"
            " ORDER BY id DESC LIMIT 2"
        ).fetchall()
    assert rows[0]["actor_kind"] == "system"
    assert (rows[0]["detail"]["count"], rows[0]["detail"]["tool"]) == (1, "eleusisctl")
    assert len(rows) == 1, "a row about nothing"


# ---- at the same time ---------------------------------------------------------------------


def test_if_match_names_the_revision(admin):
    listed = admin.get(RULES)
    tag = listed.headers["etag"]
    assert tag == f'"{listed.json()["revision"]}"'
    body = {"rules": [rule("deny", "192.0.2.0/24")]}
    first = admin.post(RULES, body, headers={"if-match": tag})
    assert first.status_code == 201
    path = f"{RULES}/{first.json()['items'][0]['id']}"
    problem(admin.post(RULES, body, headers={"if-match": tag}), "precondition-failed")
    problem(admin.patch(path, {"position": 1}, **{"if-match": tag}), "precondition-failed")
    problem(admin.http.delete(path, headers={"if-match": tag}), "precondition-failed")
    problem(admin.http.delete(path, headers={"if-match": "7"}), "malformed-request")
    assert len(admin.get(RULES).json()["items"]) == 1
    new = first.headers["etag"]
    assert admin.get(RULES).headers["etag"] == new
    assert admin.http.delete(path, headers={"if-match": new}).status_code == 204


def test_rules_are_added_once_with_an_idempotency_key(admin):
    body = {"rules": [rule("deny", "192.0.2.0/24")]}
    key = {"idempotency-key": data.word() + data.word()}
    first, second = (admin.post(RULES, body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201), first.text
    assert first.json() == second.json()
    assert [i["id"] for i in admin.get(RULES).json()["items"]] == [first.json()["items"][0]["id"]]
    wait_until(lambda: not verdict(admin, "192.0.2.1")[0], 5, "the rule in force")


def test_changes_at_the_same_time_are_all_made(admin):
    before = admin.get(RULES).json()["revision"]
    made, lock = [], threading.Lock()

    def work(number: int) -> None:
        with admin.twin() as api:
            for i in range(4):
                reply = api.post(RULES, {"rules": [rule("deny", f"10.{number}.{i}.0/24")]})
                with lock:
                    made.append(reply)

    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [r for r in made if r.status_code == 201]
    # Who is overtaken again and again is told so; nothing is lost.
    assert {r.status_code for r in made} <= {201, 409}, [r.text for r in made]
    assert len(done) >= 8
    after = admin.get(RULES, limit=100).json()
    assert after["revision"] == before + len(done)
    assert len({r.headers["etag"] for r in done}) == len(done)
    ids = {r.json()["items"][0]["id"] for r in done}
    assert {i["id"] for i in after["items"]} == ids
    assert len({i["position"] for i in after["items"]}) == len(done)
