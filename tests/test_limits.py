"""Rate limits: how exactly they hold, who shares them, and what is said of them.

The server runs with small ones: 100 reads a second, a second's worth at once.
"""

import base64
import contextlib
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lib import apikeys, data
from lib.client import Api
from lib.db import connect, store
from lib.limits import flood, left, policies, violated
from lib.metrics import scrape, value
from lib.problem import problem
from lib.process import wait_until

pytestmark = pytest.mark.restarts

RATE = 100  # reads a second of a user
FACTOR = 3
SETTINGS = {
    "ELEUSIS_RATE_BURST_S": "1",
    "ELEUSIS_RATE_READ": str(RATE * 60),
    "ELEUSIS_RATE_WRITE": "180",
    "ELEUSIS_RATE_EXPORT": "600",
    "ELEUSIS_RATE_NETWORK_FACTOR": str(FACTOR),
    "ELEUSIS_TRUSTED_PROXIES": "127.0.0.99",
    "ELEUSIS_PROXY_HEADER": "x-forwarded-for",
}


@pytest.fixture(scope="module", autouse=True)
def limited(instance):
    instance.restart(**SETTINGS)
    yield instance
    instance.restart()


@pytest.fixture
def clients(instance):
    """Connections of their own for one token, by thread."""
    with contextlib.ExitStack() as stack:
        yield lambda token, n, source=None: [
            stack.enter_context(Api(instance, token, source)) for _ in range(n)
        ]


def whole(api) -> None:
    """Wait until the user's limit of reads is whole again."""
    wait_until(
        lambda: left(api.get("/v1/me")).get("read-user", {}).get("r") == RATE - 1, 5, "a rest", 0.3
    )


# ---- how exactly they hold -----------------------------------------------------


def test_within_one_percent_under_load(instance, log_in, clients):
    """Sixteen connections, spread over both workers, and always too many requests."""
    who = log_in("clinician")
    mine = clients(who.token, 16)
    for api in mine:
        assert api.get("/health/live").status_code == 200
    run = flood(lambda n: mine[n].get("/v1/me"), threads=16, seconds=10)
    assert set(run.statuses) == {200, 429}, run.statuses
    assert run.statuses[429] > 100, "the load was too small to tell"
    expected = RATE + RATE * run.seconds
    assert abs(run.allowed - expected) <= expected / 100, (run.allowed, expected)


def test_a_concurrent_burst_gets_no_more_than_the_limit(instance, log_in, clients):
    who = log_in("clinician")
    mine = clients(who.token, 20)
    for api in mine:
        assert api.get("/health/live").status_code == 200
    whole(who)
    run = flood(lambda n: mine[n].get("/v1/me"), threads=20, each=15)
    assert RATE <= run.allowed + 1 <= RATE + RATE * run.seconds + 2, run.statuses
    assert run.statuses[429] > 0


def test_retry_after_is_honoured(instance, log_in):
    who = log_in("clinician")
    replies = [who.post("/v1/patients", data.patient()) for _ in range(4)]
    assert [r.status_code for r in replies] == [201, 201, 201, 429]
    assert violated(replies[-1]) == ["write-user"]
    problem(replies[-1], "rate-limited")
    time.sleep(int(replies[-1].headers["retry-after"]))
    assert who.post("/v1/patients", data.patient()).status_code == 201


# ---- what is said ----------------------------------------------------------------


def test_policies_are_told(instance, log_in, anonymous):
    who = log_in("clinician")
    first, second = who.get("/v1/me"), who.get("/v1/me")
    told = {"read-user": {"q": RATE, "w": 1}, "read-network": {"q": RATE * FACTOR, "w": 1}}
    assert policies(first) == policies(second) == told
    assert set(left(first)) == {"read-user"}
    assert 0 <= left(first)["read-user"]["r"] < RATE
    stranger = anonymous.get("/v1/me")
    assert policies(stranger) == {"read-stranger": {"q": RATE, "w": 1}}
    assert "ratelimit-policy" not in anonymous.get("/health/live").headers


def test_lists_cost_what_they_ask_for(instance, log_in):
    auditor = log_in("auditor")

    def cost(**query) -> int:
        wait_until(lambda: spent() <= 1, 5, "a rest", 0.3)
        before = spent()
        assert auditor.get("/v1/audit/events", **query).status_code in (200, 400)
        return spent() - before - 1

    def spent() -> int:
        """Units of the export class in use; costs one itself."""
        return 10 - left(auditor.get("/v1/audit/events", limit=1))["export-user"]["r"]

    assert cost(limit=200) in (3, 4)
    assert cost(limit=50) in (0, 1)
    assert cost() in (0, 1)
    assert cost(limit="x") in (0, 1)
    assert cost(**{"%6cimit": 1}) in (0, 1)
    escaped = auditor.http.get("/v1/audit/events?%6cimit=200")
    assert escaped.status_code == 200
    assert left(escaped)["export-user"]["r"] <= 6, "an escaped name is no way around"


def test_a_price_above_the_burst_is_paid_from_a_whole_bucket(instance, log_in):
    who = log_in("auditor")
    key = apikeys.make(instance, who.user, limit_export=60)
    with key.client(instance) as api:
        first = api.get("/v1/audit/events", limit=200)
        assert first.status_code == 200
        assert policies(first)["export-key"] == {"q": 1, "w": 1}
        refused = api.get("/v1/audit/events", limit=1)
        assert violated(refused) == ["export-key"]
        assert int(refused.headers["retry-after"]) in (3, 4)


# ---- who shares them ---------------------------------------------------------------


def test_sessions_and_keys_of_a_user_share_a_limit(instance, log_in):
    who = log_in("clinician")
    key = apikeys.make(instance, who.user)
    with key.client(instance) as api, Api(instance).login(who.email, who.password) as second:
        for each in (who, second, api, who):
            assert each.post("/v1/patients", data.patient()).status_code in (201, 429)
        assert violated(api.post("/v1/patients", data.patient())) == ["write-user"]
        assert set(policies(api.get("/v1/me"))) == {"read-user", "read-network"}


def test_a_key_may_have_less(instance, log_in):
    who = log_in("clinician")
    key = apikeys.make(instance, who.user, limit_read=60)
    with key.client(instance) as api:
        first = api.get("/v1/me")
        assert policies(first)["read-key"] == {"q": 1, "w": 1}
        assert {"read-user", "read-network"} < set(policies(first))
        assert violated(api.get("/v1/me")) == ["read-key"]
        assert who.get("/v1/me").status_code == 200
        assert api.post("/v1/patients", data.patient()).status_code == 201


def test_a_key_may_have_more(instance, log_in, clients):
    """A limit above the class's is the key's own: the user's is not touched."""
    who = log_in("clinician")
    key = apikeys.make(instance, who.user, limit_write=600)
    with key.client(instance, "127.0.0.61") as api:
        replies = [api.post("/v1/patients", data.patient()) for _ in range(8)]
        assert {r.status_code for r in replies} == {201}
        assert set(policies(replies[0])) == {"write-key", "write-network"}
    assert who.post("/v1/patients", data.patient()).status_code == 201


def test_a_network_has_a_limit_of_its_own(instance, log_in, clients):
    """Of all its users together; another address has its own."""
    crew = [log_in("clinician") for _ in range(FACTOR + 2)]
    near = [clients(who.token, 1, "127.0.0.31")[0] for who in crew for _ in range(3)]
    run = flood(lambda n: near[n].get("/v1/me"), threads=len(near), seconds=2)
    refused = [r for r in run.replies if r.status_code == 429]
    assert run.allowed <= RATE * FACTOR * (1 + run.seconds) + 2
    if ["read-network"] not in [violated(r) for r in refused]:
        pytest.skip("this machine is too slow to use up a network's limit")
    assert clients(crew[0].token, 1, "127.0.0.32")[0].get("/v1/me").status_code in (200, 429)


def test_a_customers_ipv6_network_is_one_and_so_is_an_ipv4_address(instance, clients):
    (proxy,) = clients(None, 1, "127.0.0.99")

    def ask(address: str) -> int:
        reply = proxy.post("/v1/patients", {}, headers={"x-forwarded-for": address})
        assert set(policies(reply)) == {"write-stranger"}
        return reply.status_code

    same = ["2001:db8:7:1::1", "2001:db8:7:1::2", "2001:db8:7:1:ffff::3", "2001:db8:7:1:9::4"]
    assert [ask(address) for address in same] == [401, 401, 401, 429]
    assert ask("2001:db8:7:2::1") == 401
    assert [ask("198.51.100.7") for _ in range(4)] == [401, 401, 401, 429]
    assert ask("198.51.100.8") == 401


def test_strangers_pay_for_themselves_only(instance, log_in, clients):
    """Bad tokens use up the strangers' limit of their network, and nothing else."""
    who = log_in("clinician")
    mine = clients(who.token, 1, "127.0.0.41")[0]
    bad = clients("A" * 43, 8, "127.0.0.41")
    before = instance.log_size()
    run = flood(lambda n: bad[n].get("/v1/me"), threads=8, each=40)
    assert set(run.statuses) == {401, 429}
    assert {tuple(violated(r)) for r in run.replies if r.status_code == 429} == {("read-stranger",)}
    assert mine.get("/v1/me").status_code == 200
    elsewhere = clients("A" * 43, 1, "127.0.0.42")[0]
    problem(elsewhere.get("/v1/me"), "unauthenticated")
    assert len(instance.log_lines(before)) >= 320


def test_who_knows_a_prefix_cannot_use_up_its_limit(instance, log_in, clients):
    who = log_in("clinician")
    key = apikeys.make(instance, who.user, limit_write=60)
    with key.client(instance) as api:
        assert api.get("/v1/me").status_code == 200
        wrong = clients(key.prefix + "_" + "A" * 43, 4)
        run = flood(lambda n: wrong[n].post("/v1/patients", data.patient()), threads=4, each=10)
        assert set(run.statuses) <= {401, 429}
        assert api.post("/v1/patients", data.patient()).status_code == 201


@pytest.mark.parametrize("why", ["expired", "elsewhere", "rotated"])
def test_a_key_that_is_no_longer_good_uses_nobody_s_limit_up(instance, log_in, why):
    """Whoever has found the secret of one cannot shut its owner out."""
    who = log_in("clinician")
    columns = {
        "expired": {
            "created_at": "2025-01-01T00:00:00Z", "expires_at": "2025-06-01T00:00:00Z",
        },
        "elsewhere": {"networks": ["127.0.0.64/27", "2001:db8::/32", "::/0"]},
        "rotated": {},
    }[why]  # fmt: skip
    key = apikeys.make(instance, who.user, **columns)
    good = apikeys.make(instance, who.user, networks=["2001:db8::/32", "127.0.0.32/27"])
    source = {"expired": "127.0.0.45", "elsewhere": "127.0.0.46", "rotated": "127.0.0.47"}[why]
    with key.client(instance, source) as bad, good.client(instance, source) as api:
        if why == "rotated":  # and still as it was in what Redis keeps for a minute
            apikeys.rotated(instance, key, seconds=1)
            assert bad.get("/v1/me").status_code == 200
            time.sleep(1)
        for _ in range(2):  # told by PostgreSQL first, then by Redis
            problem(bad.post("/v1/patients", data.patient()), "unauthenticated")
        refused = bad.post("/v1/patients", data.patient())
        assert list(policies(refused)) == ["write-stranger"]
        statuses = {bad.post("/v1/patients", data.patient()).status_code for _ in range(5)}
        assert statuses == {429}
        assert api.get("/v1/me").status_code == 200  # Redis knows it now
        assert api.post("/v1/patients", data.patient()).status_code == 201
        assert who.post("/v1/patients", data.patient()).status_code == 201
        problem(bad.get("/v1/me"), "unauthenticated")


# ---- records of API keys in Redis -----------------------------------------------------


def test_a_tombstone_is_asked_past_and_stays(instance, log_in):
    who = log_in("clinician")
    key = apikeys.make(instance, who.user)
    name = f"k:{key.prefix}"
    with key.client(instance) as api, store(instance) as r:
        assert api.get("/v1/me").status_code == 200
        assert r.get(name).startswith(b"K")
        assert 0 < r.ttl(name) <= 60
        r.set(name, "-", ex=60)
        assert api.get("/v1/me").status_code == 200
        assert r.get(name) == b"-"
        with connect(instance) as db:
            db.execute("UPDATE eleusis.api_key SET revoked_at = now() WHERE id = %s", [key.id])
        problem(api.get("/v1/me"), "unauthenticated")
        assert r.get(name) == b"-"


def test_a_changed_record_does_not_open(instance, log_in):
    """Neither the sealed part nor what stands in front of it for the script."""
    key = apikeys.make(instance, log_in("clinician").user)
    other = apikeys.make(instance, log_in("clinician").user)
    name = f"k:{key.prefix}"
    with key.client(instance) as api, other.client(instance) as them, store(instance) as r:
        assert api.get("/v1/me").status_code == them.get("/v1/me").status_code == 200
        true, theirs = r.get(name), r.get(f"k:{other.prefix}")
        for at in (1, 16, 50, 81, 100, 108, 110, 120, 125, 126, 140, len(true) - 1):
            since = instance.log_size()
            r.set(name, true[:at] + bytes([true[at] ^ 1]) + true[at + 1 :], ex=60)
            # PostgreSQL is asked, and its answer put in the place of the forgery.
            assert api.get("/v1/me").json()["key"]["id"] == key.id, at
            assert r.get(name)[:126] == true[:126], at
            assert "apikey.forged" in str(instance.log_lines(since)), at
        r.set(name, theirs, ex=60)
        problem(api.get("/v1/me"), "unauthenticated")


def test_nobody_pays_for_another(instance, log_in):
    """The bucket in front of a session's seal is compared with what is sealed."""
    with store(instance) as r:

        def stored(who) -> tuple[bytes, bytes]:
            name = r.smembers(f"u:{who.user['id']}").pop()
            return name, r.get(name)

        one, two = log_in("clinician"), log_in("clinician")
        (mine, value_of_mine), (_, value_of_theirs) = stored(one), stored(two)
        assert value_of_mine[:16] != value_of_theirs[:16]
        r.set(mine, value_of_theirs[:16] + value_of_mine[16:], keepttl=True)
        problem(one.get("/v1/me"), "unauthenticated")
        r.set(mine, value_of_mine, keepttl=True)
        assert one.get("/v1/me").status_code == 200


# ---- signed requests ---------------------------------------------------------------------


class Signer:
    """Signs GETs as an API key that has no other proof with it (RFC 9421, Ed25519)."""

    COVERED = '("@method" "@authority" "@path" "@query")'

    def __init__(self, instance, user: dict, scratch: Path, **columns):
        self.pem, self.base = scratch / "key.pem", scratch / "base"
        self.authority = urlsplit(instance.url).netloc
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.pem)
        public = openssl("pkey", "-in", self.pem, "-pubout", "-outform", "DER")[-32:]
        columns |= {"sign_alg": "ed25519", "sign_key": public}
        self.key = apikeys.make(instance, user, **columns)

    def params(self, nonce: str) -> str:
        return (
            f'{self.COVERED};created={int(time.time())};keyid="{self.key.prefix}"'
            f';alg="ed25519";nonce="{nonce}"'
        )

    def false(self) -> dict[str, str]:
        """What anybody can send who has seen the key's prefix."""
        return {
            "signature-input": f"sig1={self.params(data.word(24))}",
            "signature": f"sig1=:{base64.b64encode(bytes(64)).decode()}:",
        }

    def headers(self, path: str, nonce: str, spoil: bool = False) -> dict[str, str]:
        params = self.params(nonce)
        self.base.write_text(
            f'"@method": GET\n"@authority": {self.authority}\n"@path": {path}\n'
            f'"@query": ?\n"@signature-params": {params}'
        )
        made = openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.pem, "-in", self.base)
        if spoil:
            made = bytes([made[0] ^ 1]) + made[1:]
        return {
            "signature-input": f"sig1={params}",
            "signature": f"sig1=:{base64.b64encode(made).decode()}:",
        }


def openssl(*args) -> bytes:
    return subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=10).stdout


@pytest.fixture
def signer(instance, log_in, tmp_path):
    who = log_in("clinician")
    made = Signer(instance, who.user, tmp_path, limit_read=60 * 20)
    made.user = who
    return made


def test_a_nonce_is_good_once(instance, signer, clients, anonymous):
    (api,) = clients(None, 1)
    before = value(scrape(anonymous), "eleusis_replayed_total")
    headers = signer.headers("/v1/me", data.word(24))
    first = api.http.get("/v1/me", headers=headers)
    assert first.json()["key"]["prefix"] == signer.key.prefix
    assert "read-key" in policies(first)
    for _ in range(2):
        refused = api.http.get("/v1/me", headers=headers)
        assert "replayed" in problem(refused, "bad-signature")["detail"]
        assert set(policies(refused)) == {"read-stranger"}
    with_secret = headers | {"authorization": f"Bearer {signer.key.text}"}
    problem(api.http.get("/v1/me", headers=with_secret), "bad-signature")
    assert value(scrape(anonymous), "eleusis_replayed_total") - before == 3
    assert api.http.get("/v1/me", headers=signer.headers("/v1/me", data.word(24))).is_success


def test_naming_a_key_from_elsewhere_costs_its_owner_nothing(instance, log_in, tmp_path, clients):
    """Its visible prefix is enough to name a key, but not to use up its owner's limits."""
    who = log_in("clinician")
    key = Signer(instance, who.user, tmp_path, networks=["203.0.113.0/24"])
    (api,) = clients(None, 1, "127.0.0.72")
    for _ in range(10):  # of writes three may come at once
        reply = api.http.post("/v1/patients", headers=key.false())
        assert reply.status_code in (401, 429), reply.text
    made = who.post("/v1/patients", data.patient())
    assert made.status_code == 201, made.text


def test_false_signatures_are_limited_apart_from_the_network(signer, clients, instance):
    """Whoever knows a key's prefix has a stranger's limit, and shuts nobody else out."""
    (api,) = clients(None, 1, "127.0.0.73")
    (mine,) = clients(signer.user.token, 1, "127.0.0.73")
    replies = []
    for _ in range(20):  # of writes three may come at once, and nine of a network
        replies.append(api.http.post("/v1/patients", headers=signer.false()))
    refused = [r for r in replies if r.status_code == 429]
    assert refused, "false signatures are not limited"
    assert all(violated(r) == ["write-stranger"] for r in refused)
    made = mine.post("/v1/patients", data.patient())
    assert made.status_code == 201, made.text


@pytest.mark.parametrize("credential", ["session", "key"])
def test_who_is_proven_pays_for_a_false_signature(signer, clients, credential):
    token = signer.user.token if credential == "session" else signer.key.text
    (api,) = clients(token, 1, "127.0.0.74" if credential == "session" else "127.0.0.75")
    replies = []
    for _ in range(12):
        replies.append(api.http.post("/v1/patients", headers=signer.false()))
    refused = [r for r in replies if r.status_code == 429]
    assert refused, "false signatures were free of charge"
    assert "write-user" in violated(refused[0])


def test_a_false_signature_is_charged_to_nobody_known(instance, signer, clients):
    """The key gets back what it paid, the nonce stays good, and strangers pay."""
    (api,) = clients(None, 1, "127.0.0.71")
    nonce = data.word(24)
    false = signer.headers("/v1/me", nonce, spoil=True)
    limit = signer.key.prefix
    for _ in range(60):
        assert api.http.get("/v1/me", headers=false).status_code in (401, 429)
    right = api.http.get("/v1/me", headers=signer.headers("/v1/me", nonce))
    assert right.status_code == 200, right.text
    assert left(right)["read-key"]["r"] >= 18, "the false ones used up the key's limit"
    with store(instance) as r:
        assert r.exists("r:rs:127.0.0.71/32"), "nobody paid"
        assert len(r.keys(f"n:{limit}:*")) == 1
    with connect(instance) as db:
        rows = db.execute(
            "SELECT 1 FROM eleusis.audit_event WHERE actor_id = %s AND outcome = 'denied'",
            [signer.user.user["id"]],
        ).fetchall()
    assert rows == [], "nobody has proved to be this user"


def test_a_refused_request_does_not_use_up_its_nonce(instance, log_in, tmp_path, clients):
    made = Signer(instance, log_in("clinician").user, tmp_path, limit_read=60)
    (api,) = clients(None, 1)
    assert api.http.get("/v1/me", headers=made.headers("/v1/me", data.word(24))).is_success
    headers = made.headers("/v1/me", data.word(24))
    refused = api.http.get("/v1/me", headers=headers)
    assert violated(refused) == ["read-key"]
    time.sleep(int(refused.headers["retry-after"]))
    assert api.http.get("/v1/me", headers=headers).status_code == 200


# ---- counted and audited ---------------------------------------------------------------


def test_refusals_are_counted_by_class(instance, log_in, anonymous):
    who = log_in("clinician")
    name = "eleusis_rate_limited_total"
    before = scrape(anonymous)
    for _ in range(5):
        who.post("/v1/patients", data.patient())
    after = scrape(anonymous)
    assert value(after, name, **{"class": "write"}) - value(before, name, **{"class": "write"}) == 2
    assert value(after, name, **{"class": "read"}) == value(before, name, **{"class": "read"})


def test_a_flood_of_refusals_is_no_flood_of_rows(instance, log_in):
    """One durable row at once; how many there were follows, at the latest at the end."""
    who = log_in("clinician")
    refused = [r for r in (who.post("/v1/patients", data.patient()) for _ in range(15))
               if r.status_code == 429]  # fmt: skip
    assert len(refused) >= 9
    query = (
        "SELECT action, detail FROM eleusis.audit_event"
        " WHERE actor_id = %s AND outcome = 'denied' ORDER BY id"
    )
    with connect(instance) as db:
        rows = db.execute(query, [who.user["id"]]).fetchall()
        workers = len(rows)
        assert 1 <= workers <= 2, rows
        assert {r["action"] for r in rows} == {"patient.create"}
        assert {r["detail"]["problem"] for r in rows} == {"rate-limited"}
        instance.restart(**SETTINGS)
        sums = [r["detail"] for r in db.execute(query, [who.user["id"]]) if r["action"][0] == "a"]
    assert sum(s["count"] for s in sums) == len(refused) - workers
    assert {(s["kind"], s["class"]) for s in sums} == {("rate", "write")}


# ---- Redis gone --------------------------------------------------------------------------


@pytest.fixture
def without_redis(instance):
    yield instance.stop_redis
    if not instance.redis_answers():
        instance.start_redis()
    instance.ensure_running()


def test_without_redis_keys_work_within_less(instance, log_in, anonymous, without_redis, clients):
    who = log_in("clinician")
    key = apikeys.make(instance, who.user)
    revoked = apikeys.make(instance, who.user)
    mine = clients(key.text, 8)
    assert clients(revoked.text, 1)[0].get("/v1/me").status_code == 200
    without_redis()
    # A quarter of a worker's share, for two workers.
    run = flood(lambda n: mine[n].get("/v1/me"), threads=8, seconds=3)
    assert set(run.statuses) == {200, 429}, run.statuses
    most = RATE / 4 * (1 + run.seconds)
    assert most / 8 <= run.allowed <= most + 2, (run.allowed, most)
    told = next(r for r in run.replies if r.status_code == 200)
    assert policies(told)["read-user"] == {"q": 12, "w": 1}
    problem(who.get("/v1/me"), "unavailable")
    body = {"email": who.email, "password": who.password}
    problem(anonymous.post("/v1/auth/login", body), "unavailable")
    with connect(instance) as db:
        db.execute("UPDATE eleusis.api_key SET revoked_at = now() WHERE id = %s", [revoked.id])
    time.sleep(1.1)
    problem(clients(revoked.text, 1, "127.0.0.51")[0].get("/v1/me"), "unauthenticated")
    wrong = key.prefix + "_" + "A" * 43
    problem(clients(wrong, 1, "127.0.0.52")[0].get("/v1/me"), "unauthenticated")
    instance.start_redis()
    wait_until(
        lambda: policies(clients(key.text, 1)[0].get("/v1/me")).get("read-user", {}).get("q")
        == RATE, 5, "the whole limit again",
    )  # fmt: skip
    assert value(scrape(anonymous), "eleusis_rate_alone_total") > 0
