"""Certificates: checked before they are taken, exchanged while requests go on."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from lib.pki import Authority, Pair, fingerprint, openssl
from lib.process import children, title, wait_until
from lib.tables import ROOT
from lib.tls import connected, context, get, only_worker

pytestmark = pytest.mark.restarts


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def good(authority) -> Pair:
    return authority.issue("good")


# ---- eleusisctl tls check ----------------------------------------------------------


def check(instance, *args) -> tuple[int, dict]:
    done = instance.ctl("tls", "check", *map(str, args), check=False)
    return done.returncode, json.loads(done.stdout)


def codes(said: dict) -> set[str]:
    return {p["code"] for p in said["problems"]}


def test_a_good_pair(instance, good):
    code, said = check(
        instance, good.cert, "--key", good.key, "--name", "localhost", "--days", "20"
    )
    assert (code, said["ok"], said["problems"]) == (0, True, [])
    assert said["sha256"].upper() == fingerprint(good.cert)
    assert said["names"] == ["localhost", "mtls.localhost"]
    assert said["days_left"] == 29
    assert said["certificates"] == 1
    assert check(instance, good.cert, "--key", good.key, "--name", "127.0.0.1")[0] == 0


def concatenated(where: Path, *files: Path) -> Path:
    where.write_text("".join(f.read_text() for f in files))
    return where


def spoil(pem: Path, where: Path) -> Path:
    """The same with its middle gone."""
    lines = pem.read_text().splitlines()
    where.write_text("\n".join(lines[: len(lines) // 2] + lines[-1:]) + "\n")
    return where


@pytest.fixture(scope="module")
def bad(authority, good, tmp_path_factory) -> dict[str, tuple[Pair, str]]:
    """Name -> a pair that must not go into service, and the code that says why."""
    where = tmp_path_factory.mktemp("bad")
    other = Authority(where, "other")
    stranger = other.issue("stranger")
    empty, rubbish = where / "empty.pem", where / "rubbish.pem"
    empty.touch()
    rubbish.write_bytes(os.urandom(3000))
    locked = where / "locked.key"
    openssl("pkey", "-in", good.key, "-aes256", "-passout", "pass:x", "-out", locked)
    broken = spoil(authority.pair.cert, where / "broken.pem")
    return {
        "not its key": (Pair(good.cert, stranger.key), "key-mismatch"),
        "expired": (authority.issue("expired", days=-1), "expired"),
        "no certificate file": (Pair(where / "none.pem", good.key), "certificate-unreadable"),
        "no key file": (Pair(good.cert, where / "none.key"), "key-unreadable"),
        "empty certificate": (Pair(empty, good.key), "certificate-unreadable"),
        "empty key": (Pair(good.cert, empty), "key-unreadable"),
        "rubbish": (Pair(rubbish, good.key), "certificate-unreadable"),
        "rubbish for a key": (Pair(good.cert, rubbish), "key-unreadable"),
        "half a certificate": (
            Pair(spoil(good.cert, where / "half.pem"), good.key),
            "certificate-unreadable",
        ),
        "half a chain": (
            Pair(concatenated(where / "chain.pem", good.cert, broken), good.key),
            "chain-broken",
        ),
        "a key with a password": (Pair(good.cert, locked), "key-unreadable"),
        "an elliptic key": (authority.issue("elliptic", algorithm="ec"), "key-type"),
    }


BAD = [
    "not its key", "expired", "no certificate file", "no key file", "empty certificate",
    "empty key", "rubbish", "rubbish for a key", "half a certificate", "half a chain",
    "a key with a password", "an elliptic key",
]  # fmt: skip


def test_every_bad_pair_is_tried(bad):
    assert list(bad) == BAD


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pair(instance, bad, name):
    pair, why = bad[name]
    code, said = check(instance, pair.cert, "--key", pair.key)
    assert (code, said["ok"]) == (1, False)
    assert why in codes(said)


def test_what_only_the_command_refuses(instance, authority, good, tmp_path):
    """The server would serve these; nobody should."""
    weak = authority.issue("weak", algorithm="rsa:1024")
    assert "key-weak" in codes(check(instance, weak.cert, "--key", weak.key)[1])
    stranger = Authority(tmp_path, "stranger")
    wrong = concatenated(tmp_path / "wrong.pem", good.cert, stranger.pair.cert)
    assert codes(check(instance, wrong, "--key", good.key)[1]) == {"chain-broken"}
    right = concatenated(tmp_path / "right.pem", good.cert, authority.pair.cert)
    assert check(instance, right, "--key", good.key)[1]["ok"]
    assert codes(check(instance, good.cert, "--name", "example.org")[1]) == {"name-missing"}
    assert codes(check(instance, good.cert, "--days", "60")[1]) == {"expires-soon"}
    shutil.copy(good.key, tmp_path / "open.key")
    (tmp_path / "open.key").chmod(0o644)
    assert codes(check(instance, good.cert, "--key", tmp_path / "open.key")[1]) == {"key-open"}


def test_usage(instance, good):
    assert instance.ctl("tls", "check", check=False).returncode == 2
    assert instance.ctl("tls", "check", str(good.cert), "--days", "x", check=False).returncode == 2


# ---- exchanging the pair in service ---------------------------------------------------


@pytest.fixture(scope="module")
def served(instance, tmp_path_factory):
    """An authority that the instance's clients trust; the old pair comes back at the end."""
    home = Path(instance.ca).parent
    made = Authority(tmp_path_factory.mktemp("served"), pair=Pair(home / "ca.pem", home / "ca.key"))
    yield made
    reload(instance)
    wait_until(lambda: presented(instance) == fingerprint(home / "server.pem"), 5, "the old pair")


def reload(instance, *files: Path, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [ROOT / "dev", "certificate", "reload", *files],
        env=os.environ | instance.env, cwd=ROOT, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def presented(instance) -> str:
    with connected(instance, context(instance)) as tls:
        return shown(tls)


def shown(tls: ssl.SSLSocket) -> str:
    return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest().upper()


def test_reload_under_load(instance, served):
    """New connections all the time, and kept ones: no request may fail."""
    pairs = [served.issue(f"exchange-{n}") for n in range(4)]
    failures, seen, halt = [], set(), threading.Event()
    counts = [0] * 4
    trust = context(instance)

    def fresh(number: int) -> None:
        while not halt.is_set():
            try:
                with connected(instance, trust) as tls:
                    seen.add(shown(tls))
                    assert get(tls).startswith(b"HTTP/1.1 200")
            except Exception as error:  # whatever it is, it is a failed request
                failures.append(error)
            counts[number] += 1

    def kept(number: int) -> None:
        with httpx.Client(base_url=instance.url, verify=trust) as client:
            while not halt.is_set():
                try:
                    assert client.get("/health/live").status_code == 200
                except Exception as error:
                    failures.append(error)
                counts[number] += 1

    threads = [threading.Thread(target=w, args=[n]) for n, w in enumerate([fresh] * 3 + [kept])]
    with connected(instance, trust) as old:
        before = shown(old)
        for thread in threads:
            thread.start()
        try:
            for turn in range(8):
                pair = pairs[turn % len(pairs)]
                reload(instance, pair.cert, pair.key)
                wait_until(
                    lambda p=pair: presented(instance) == fingerprint(p.cert), 5, "the new pair"
                )
        finally:
            halt.set()
            for thread in threads:
                thread.join(20)
        assert get(old).startswith(b"HTTP/1.1 200"), "the old connection goes on"
        assert shown(old) == before
    assert not failures, (len(failures), counts, failures[:3])
    assert all(n > 20 for n in counts), counts
    assert {fingerprint(p.cert) for p in pairs} <= seen


def test_dev_refuses_a_bad_pair(instance, served, bad):
    before, files = presented(instance), keymgr_files(instance)
    for pair, why in bad.values():
        done = reload(instance, pair.cert, pair.key, check=False)
        assert done.returncode != 0
        assert why in done.stdout
    assert keymgr_files(instance) == files
    assert presented(instance) == before


def keymgr_files(instance) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((instance.var / "keymgr").iterdir())}


@contextlib.contextmanager
def in_place(instance, pair: Pair):
    """Files put where the key manager reads them, past every check."""
    home = instance.var / "keymgr"
    kept = {name: home / f"{name}.kept" for name in ("server.pem", "server.key")}
    for name, source in (("server.pem", pair.cert), ("server.key", pair.key)):
        (home / name).rename(kept[name])
        if source.exists():
            shutil.copy(source, home / name)
            stat = kept[name].stat()
            os.chown(home / name, stat.st_uid, stat.st_gid)
            (home / name).chmod(stat.st_mode & 0o777)
    try:
        yield
    finally:
        for name, old in kept.items():
            old.rename(home / name)


def said(instance, since: int, text: str) -> bool:
    with instance.output.open("rb") as out:
        out.seek(since)
        return text.encode() in out.read()


@pytest.mark.parametrize("name", BAD)
def test_key_manager_refuses_a_bad_pair(instance, served, bad, name):
    """SIGUSR1 with anything on the disk: what was in service stays there (0015)."""
    before, parent = presented(instance), instance.parent_pid()
    workers, since = instance.worker_pids(), instance.output.stat().st_size
    with in_place(instance, bad[name][0]):
        os.kill(parent, signal.SIGUSR1)
        wait_until(lambda: said(instance, since, "not taken: "), 5, "the refusal")
        assert presented(instance) == before
    assert (instance.parent_pid(), instance.worker_pids()) == (parent, workers)
    assert key_manager(instance)


def test_a_new_worker_gets_the_checked_pair(instance, served, bad):
    """Not what lies on the disk by then (0015)."""
    before, workers = presented(instance), instance.worker_pids()
    with in_place(instance, bad["not its key"][0]):
        os.kill(workers[0], signal.SIGKILL)
        wait_until(
            lambda: (
                len(instance.worker_pids()) == len(workers)
                and workers[0] not in instance.worker_pids()
            ),
            10,
            "another worker",
        )
        for _ in range(20):
            assert presented(instance) == before


@pytest.fixture
def stopped(instance):
    instance.stop()
    yield
    instance.stop()
    instance.start()


def test_a_start_with_an_expired_certificate(instance, served, bad, stopped):
    """There is no other to stay with: it is served, and complained about."""
    since = instance.output.stat().st_size
    blind = ssl._create_unverified_context()
    with in_place(instance, bad["expired"][0]):
        instance.spawn()
        wait_until(instance.listening, 20, "the port")
        with connected(instance, blind) as tls:
            assert get(tls).startswith(b"HTTP/1.1 200")
            assert shown(tls) == fingerprint(bad["expired"][0].cert)
    assert said(instance, since, "the certificate has expired, but there is no other")


def test_no_start_with_a_bad_pair(instance, served, bad, stopped):
    since = instance.output.stat().st_size
    with in_place(instance, bad["not its key"][0]):
        assert instance.spawn().wait(20) != 0
    assert said(instance, since, "not taken: ")


def test_no_connection_is_lost_while_a_worker_starts(instance):
    """It takes connections once it has its certificates, however late they come (0017)."""
    trust, before = context(instance), instance.worker_pids()
    since = instance.output.stat().st_size

    def served() -> bytes:
        with connected(instance, trust) as tls:
            return get(tls)

    with ThreadPoolExecutor(1) as pool, standing_still(key_manager(instance)):
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: said(instance, since, "started (#"), 10, "another worker")
        (new,) = set(instance.worker_pids()) - set(before)
        with only_worker(instance, new):
            asked = pool.submit(served)
            time.sleep(0.5)
            assert not asked.done(), "it cannot have a certificate yet"
            os.kill(key_manager(instance), signal.SIGCONT)
            assert asked.result(10).startswith(b"HTTP/1.1 200")


def key_manager(instance) -> int:
    (found,) = [p for p in children(instance.parent_pid()) if "[keymgr]" in title(p)]
    return found


@contextlib.contextmanager
def standing_still(pid: int):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# ---- a key manager that stands still (0016) ------------------------------------------


def test_a_stalled_key_manager(instance):
    """Handshakes fail, the first after a second and others sooner; kept connections go on."""
    trust, attempts = context(instance), 8
    with only_worker(instance, instance.worker_pids()[0]), connected(instance, trust) as kept:
        assert get(kept).startswith(b"HTTP/1.1 200")
        with standing_still(key_manager(instance)):
            began = time.monotonic()
            for _ in range(attempts):
                with pytest.raises((ssl.SSLError, OSError)), connected(instance, trust):
                    pass
                assert get(kept).startswith(b"HTTP/1.1 200")
            assert time.monotonic() - began < attempts / 2, "each waits for its whole second"

    def serves() -> bool:
        with contextlib.suppress(ssl.SSLError, OSError), connected(instance, trust) as tls:
            return get(tls).startswith(b"HTTP/1.1 200")
        return False

    wait_until(lambda: all(serves() for _ in range(10)), 10, "handshakes again")
