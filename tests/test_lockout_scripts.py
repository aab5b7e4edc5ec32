"""The scripts of the back-off by themselves: exact steps, and the second factor."""

import itertools
import secrets
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from lib.db import store

SECOND = 1000
FREE, FIRST, MAX, DECAY = 3, 30 * SECOND, 100 * SECOND, 3600 * SECOND
NET_FREE, ALERT = 6, 8
TRUST = 86400 * SECOND


@pytest.fixture(scope="module")
def scripts(instance):
    """Their texts, as the server sends them."""
    tool = instance.build / "lockout_lua"
    return {
        name: subprocess.run([tool, name], capture_output=True, text=True, check=True).stdout
        for name in ("check", "settle", "clear")
    }


class Counters:
    """One account at many places; factor p or 2."""

    def __init__(self, r: redis.Redis, scripts: dict):
        self.r, self.scripts = r, scripts
        self.tag, self.places = secrets.token_hex(16), itertools.count(1)

    def keys(self, place: str, factor: str = "p", device: str = "", net: str = "n") -> list[str]:
        account = f"l:{factor}:{self.tag}"
        here = f"{account}:{place}"
        own = f"{account}:d:{device}" if device else here
        return [own, f"l:{factor}:test-{self.tag}-{net}", account, f"{account}:i", here]

    def check(self, keys: list[str], known: bool = False, **changes) -> list[int]:
        with_these = {"free": FREE, "net_free": NET_FREE, "max": MAX, "alert": ALERT,
                      "all_max": 0} | changes  # fmt: skip
        args = [
            with_these["free"], FIRST, with_these["max"], DECAY,
            with_these["net_free"], FIRST, MAX, DECAY, with_these["alert"], int(known),
            with_these["all_max"],
        ]  # fmt: skip
        return self.r.eval(self.scripts["check"], 5, *keys, *args)

    def settle(self, keys: list[str], taken: list[int], success: bool) -> None:
        args = [DECAY, DECAY, int(success), TRUST, *taken[7:]]
        self.r.eval(self.scripts["settle"], 5, *keys, *args)

    def number(self, key: str) -> int:
        return int(self.r.hget(key, "n") or 0)

    def forget(self) -> None:
        for key in self.r.scan_iter(f"l:*{self.tag}*"):
            self.r.delete(key)


@pytest.fixture
def counters(instance, scripts):
    with store(instance) as r:
        made = Counters(r, scripts)
        yield made
        made.forget()


def test_an_account_waits_everywhere(counters):
    """Of the second factor: many places have, together, few tries more than one."""
    places = [counters.keys(f"place-{n}", "2", net=f"n{n}") for n in range(ALERT + 3)]
    for n in range(ALERT):
        assert counters.check(places[n], all_max=MAX)[0] == 1
    wait = counters.check(places[ALERT], all_max=MAX)
    assert (wait[0], wait[2]) == (0, 3)
    assert FIRST / 2 < wait[1] <= FIRST
    assert counters.number(places[ALERT][2]) == ALERT, "a refusal is no try"
    assert counters.check(places[ALERT], known=True, all_max=MAX)[0] == 1
    assert counters.check(places[ALERT + 1], all_max=0)[0] == 1, "not so for passwords"


def test_what_was_right_or_not_looked_at_makes_no_account_wait(counters):
    places = [counters.keys(f"place-{n}", "2", net=f"n{n}") for n in range(ALERT + 3)]
    for keys in places[: ALERT - 1]:
        assert counters.check(keys, all_max=MAX)[0] == 1
    for success in (False, True):
        taken = counters.check(places[ALERT], all_max=MAX)
        assert taken[0] == 1
        counters.settle(places[ALERT], taken, success=success)
        assert counters.number(places[0][2]) == ALERT - 1


def test_the_steps_of_one_place(counters):
    keys = counters.keys("a")
    taken = [counters.check(keys) for _ in range(FREE)]
    assert [t[0] for t in taken] == [1] * FREE
    assert [t[1] for t in taken] == [0] * (FREE - 1) + [1], "the back-off begins with the last"
    refused = counters.check(keys)
    assert refused[0] == 0
    assert 0 < refused[1] <= FIRST
    assert counters.number(keys[0]) == FREE


def test_the_second_factor_counts_apart(counters):
    """As many tries of a code as of a password, whatever was done to the other."""
    password, code = counters.keys("a", "p"), counters.keys("a", "2")
    for _ in range(FREE):
        assert counters.check(password)[0] == 1
    assert counters.check(password)[0] == 0
    taken = [counters.check(code) for _ in range(FREE)]
    assert [t[0] for t in taken] == [1] * FREE
    assert counters.check(code)[0] == 0
    counters.settle(code, taken[-1], True)
    assert counters.check(code)[0] == 1
    assert counters.check(password)[0] == 0


def test_both_factors_are_unlocked(counters):
    for factor in ("p", "2"):
        for place in ("a", "b"):
            for _ in range(FREE):
                counters.check(counters.keys(place, factor, net=place))
            assert counters.check(counters.keys(place, factor, net=place))[0] == 0
    keys = [k for f in ("p", "2") for k in (counters.keys("a", f)[3], counters.keys("a", f)[2])]
    counters.r.eval(counters.scripts["clear"], len(keys), *keys)
    assert not counters.r.exists(*keys)
    for factor in ("p", "2"):
        for place in ("a", "b"):
            assert counters.check(counters.keys(place, factor, net=place))[0] == 1


def test_many_at_once_at_the_script(instance, counters):
    keys = counters.keys("a")

    def one(_) -> int:
        with store(instance) as r:
            return Counters.check(counters_on(r, counters), keys)[0]

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(one, range(200))) == FREE


def counters_on(r: redis.Redis, counters: Counters) -> Counters:
    other = Counters(r, counters.scripts)
    other.tag = counters.tag
    return other


def test_what_is_undone_leaves_nothing(counters):
    keys = counters.keys("a")
    for _ in range(5 * FREE):
        taken = counters.check(keys)
        assert taken[0] == 1
        counters.settle(keys, taken, False)
    assert not counters.r.exists(*keys[:3])


def test_undoing_does_not_end_the_wait_that_another_set(counters):
    keys = counters.keys("a")
    taken = [counters.check(keys) for _ in range(FREE)]
    counters.settle(keys, taken[0], False)
    assert counters.number(keys[0]) == FREE - 1
    assert counters.check(keys)[0] == 0
    counters.settle(keys, taken[-1], False)
    assert counters.check(keys)[0] == 1


def test_a_success_empties_its_own_counter_only(counters):
    keys, other = counters.keys("a"), counters.keys("b")
    counters.check(other)
    counters.check(keys)
    counters.settle(keys, counters.check(keys), True)
    assert counters.number(keys[0]) == 0
    assert counters.number(other[0]) == 1
    assert counters.number(keys[1]) == 2, "the network's: the failures, less the success"
    assert counters.number(keys[2]) == 2
    assert counters.r.zrange(keys[3], 0, -1) == [other[0].encode()]
    assert 0 < counters.r.pttl(keys[0]) <= TRUST, "known here"


def test_a_full_counter_is_not_drained_by_successes(counters):
    """Else own log-ins would buy guesses at others."""
    spent = 0
    keys = counters.keys("a")
    counters.settle(keys, counters.check(keys, net_free=10**6), True)
    while spent < 40:
        spent += 1
        counters.check(counters.keys(f"x{spent}"), alert=10**6)
        counters.r.hset(keys[1], "until", 1)
    full = counters.number(keys[1])
    assert full == NET_FREE + 2, "30 s, 60 s and then the longest, 100 s"
    for _ in range(10):
        taken = counters.check(keys)
        assert taken[0] == 1
        counters.settle(keys, taken, True)
    assert counters.number(keys[1]) == full


@pytest.mark.parametrize(("most", "wanted"), [(MAX, MAX), (FIRST, FIRST), (FIRST // 2, FIRST // 2)])
def test_no_wait_is_longer_than_the_longest(counters, most, wanted):
    keys = counters.keys("a")
    for _ in range(60):
        assert counters.check(keys, max=most, net_free=10**6, alert=10**6)[0] == 1
        if counters.number(keys[0]) >= FREE:
            refused = counters.check(keys, max=most, net_free=10**6, alert=10**6)
            assert refused[0] == 0
            assert refused[1] <= wanted
        counters.r.hset(keys[0], "until", 1)
    assert counters.number(keys[0]) <= FREE + 2, "it is forgotten as soon as a lesser one"


def test_one_failure_is_forgotten_each_period(counters):
    keys = counters.keys("a")
    for _ in range(FREE):
        counters.check(keys)
    counters.r.hset(keys[0], "until", 1)
    counters.r.hincrby(keys[0], "at", -DECAY)
    assert counters.check(keys)[4] == FREE
    counters.r.hset(keys[0], "until", 1)
    counters.r.hincrby(keys[0], "at", -10 * DECAY)
    assert counters.check(keys)[4] == 1


def test_a_counter_expires_with_its_last_failure(counters):
    keys = counters.keys("a")
    counters.check(keys)
    for key in keys[:4]:
        assert 0 < counters.r.pttl(key) <= DECAY
    counters.check(keys)
    assert DECAY < counters.r.pttl(keys[0]) <= 2 * DECAY


def test_a_device_is_told_apart_and_its_network_is_left_alone(counters):
    other = counters.keys("a", net="q")
    for i in range(NET_FREE):
        counters.check(counters.keys(f"y{i}", net="q"), alert=10**6)
    refused = counters.check(other)
    assert (refused[0], refused[2]) == (0, 2), "by the network"
    mine = counters.keys("a", device="d1", net="q")
    assert counters.check(mine, known=True)[0] == 1


def test_the_alert_comes_once_a_doubling(counters):
    alerts = []
    for i in range(4 * ALERT):
        keys = counters.keys(f"z{i}", net=f"z{i}")
        alerts.append(counters.check(keys)[3])
    found = [i + 1 for i, on in enumerate(alerts) if on]
    assert found == [ALERT, 2 * ALERT, 4 * ALERT]


def test_an_account_guessed_at_gives_unknown_places_one_try(counters):
    home = counters.keys("home", net="home")
    counters.settle(home, counters.check(home), True)
    for i in range(ALERT):
        counters.check(counters.keys(f"z{i}", net=f"z{i}"))
    new = counters.keys("new", net="new")
    assert counters.check(new)[:2] == [1, 1]
    assert counters.check(new)[0] == 0
    assert [counters.check(home)[0] for _ in range(FREE + 1)] == [1] * FREE + [0]
    mine = counters.keys("else", device="d", net="else")
    assert [counters.check(mine, known=True)[0] for _ in range(FREE + 1)] == [1] * FREE + [0]


def test_places_that_are_forgotten_are_not_counted(counters):
    one, two = counters.keys("a"), counters.keys("b")
    counters.check(one)
    counters.r.zadd(one[3], {one[0]: time.time() * SECOND - 1})
    assert counters.check(two)[6] == 1
