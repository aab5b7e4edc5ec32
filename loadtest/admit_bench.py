#!/usr/bin/env python3
"""What the admission script costs Redis, side by side with less than it does.

Runs the scripts of src/auth/admit_script.c in the Redis of the instance that the
environment names (ELEUSIS_REDIS_*), with keys of its own, and prints Redis's own
time per EVALSHA: medians of rounds that go through all variants in turn.
"""

import os
import re
import secrets
import statistics
import sys
from pathlib import Path

import redis

TOP = Path(__file__).resolve().parent.parent
SOURCE = TOP / "src" / "auth" / "admit_script.c"
ROUNDS, CALLS, BATCH = 7, 4000, 200

SESSION_ONLY = "return redis.call('GETEX', KEYS[1], 'EX', ARGV[1])"
# One bucket of one owner: as it was before users, keys and networks were told apart.
ONE_BUCKET = """
local s = redis.pcall('GETEX', KEYS[1], 'EX', ARGV[1])
if type(s) == 'table' then s = false end
local key = s and KEYS[2] or KEYS[3]
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local step, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = tonumber(redis.call('GET', key) or now)
if tat < now then tat = now end
local new = tat + step * tonumber(ARGV[4])
if new - now > burst then return {s, 0, math.ceil((new - burst - now) / 1000), 0} end
redis.call('SET', key, string.format('%.0f', new), 'PX', math.ceil((new - now) / 1000) + 1)
return {s, 1, math.ceil((new - now) / 1000), math.floor((burst - (new - now)) / step)}
"""


def lua_of(name: str) -> str:
    """The script's text, out of the C string literals after its name."""
    text = SOURCE.read_text()
    body = re.search(rf'{{ "{name}",(.*?)"",\s*NULL }};', text, re.S).group(1)
    for name, macro in re.findall(r"#define (LUA_\w+)((?:.*\\\n)*.*\n)", text):
        body = body.replace(name, macro)
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', body))


def connect() -> redis.Redis:
    file = os.environ.get("ELEUSIS_REDIS_PASSWORD_FILE")
    return redis.Redis(
        host=os.environ["ELEUSIS_REDIS_HOST"],
        port=int(os.environ["ELEUSIS_REDIS_PORT"]),
        password=Path(file).read_text().strip() if file else None,
    )


class Bench:
    def __init__(self, store: redis.Redis):
        self.store = store
        self.mark = f"bench:{secrets.token_hex(8)}:"
        self.admit = store.script_load(lua_of("admit"))
        self.secret = secrets.token_bytes(32)
        self.client = bytes(10) + b"\xff\xff\xc0\0\2\1"
        session = secrets.token_bytes(200)
        head = b"K" + b"b" * 16 + self.secret + bytes(32)
        store.set(self.name("s"), session, ex=600)
        nowhere = bytes([128]) + bytes(16)
        store.set(self.name("k"), head + bytes(28 + 17) + session, ex=600)
        own = head + (1_000_000).to_bytes(4, "big") * 7
        store.set(self.name("own"), own + bytes(17) + session, ex=600)
        # The last of eight networks is the client's.
        there = own + bytes(16) + b"\x08" + nowhere * 7 + bytes([128]) + self.client
        store.set(self.name("there"), there + session, ex=600)

    def name(self, text: str) -> str:
        return self.mark + text

    def call(self, mode: str, value: str, nonce: bool = False) -> tuple:
        """EVALSHA's arguments, as src/auth/admit_script.c makes them."""
        keys = [value, self.name("net"), self.name("strangers"), ""]
        if nonce:
            keys[3] = self.name("n:" + secrets.token_hex(16))
        return (
            self.admit, 4, *keys, mode, self.name("r"), 3, 1, 20, 100_000_000, 2_000_000_000,
            600, self.secret, "elk_0123456789abcdef", "", "", bytes(32), 600,
            1_760_000_000_000_000, self.client, "4",
        )  # fmt: skip

    def variants(self) -> dict:
        s, key, own = self.name("s"), self.name("k"), self.name("own")
        one = self.store.script_load(ONE_BUCKET)
        alone = self.store.script_load(SESSION_ONLY)
        old = (one, 3, s, self.name("old"), self.name("ip"), 600, "0.6", 60_000_000, 1)
        return {
            "session look-up alone, no limit": lambda: (alone, 1, s, 600),
            "session, one bucket (the former script)": lambda: old,
            "stranger: 1 bucket": lambda: self.call("n", ""),
            "session: 2 buckets (user, network)": lambda: self.call("s", s),
            "API key: 2 buckets (user, network)": lambda: self.call("k", key),
            "API key: 3 buckets (user, key, network)": lambda: self.call("k", own),
            "API key of 8 networks: 3 buckets": lambda: self.call("k", self.name("there")),
            "signed API key: 3 buckets and a nonce": lambda: self.call("g", own, True),
        }

    def measure(self, arguments) -> float:
        """Microseconds per call, by Redis's own clock."""
        self.store.config_resetstat()
        for _ in range(CALLS // BATCH):
            pipe = self.store.pipeline(transaction=False)
            for _ in range(BATCH):
                pipe.execute_command("EVALSHA", *arguments())
            pipe.execute()
        return self.store.info("commandstats")["cmdstat_evalsha"]["usec_per_call"]

    def tidy(self) -> None:
        for key in self.store.scan_iter(match=self.mark + "*", count=1000):
            self.store.delete(key)


def main() -> int:
    with connect() as store:
        bench = Bench(store)
        try:
            variants = bench.variants()
            found: dict[str, list[float]] = {name: [] for name in variants}
            for _ in range(ROUNDS):
                for name, arguments in variants.items():
                    found[name].append(bench.measure(arguments))
        finally:
            bench.tidy()
    print("\nAdmission in Redis, µs per EVALSHA (median of rounds, range):")
    for name, times in found.items():
        print(f"{name:42} {statistics.median(times):6.2f}  {min(times):.2f}-{max(times):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
