"""The container: built from this checkout, looked into, run, and ended.

The server in it gets what docker-compose.yml gives it (settings, capabilities,
limits), a database of its own in the instance's PostgreSQL, and its own Redis.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections import Counter
from types import SimpleNamespace

import pytest
import yaml
from lib import data, image, process, raw, tls
from lib.client import Api
from lib.pki import Authority, openssl
from lib.scratch import new_database
from lib.tables import ROOT

TAG = "localhost/eleusis:test"
PREFIX = "/opt/eleusis"
DATA = "/data"  # buildah lays a volume of its own over the image's usual place, now and then
IMAGE_MIB = 400
FIRST_ADMIN = re.compile(r"one-time password\s+(\S{24,31})")
COMPILERS = ("cc", "gcc", "c++", "g++", "clang", "ld", "as", "make", "dpkg-buildpackage")

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0, reason="building an image needs root"),
]


@pytest.fixture(scope="module")
def builder(instance):
    if instance.sanitized:
        pytest.skip("the image is built without sanitizers: ./dev test has tested it")
    if not image.root_is_a_mount():
        pytest.skip("this is a plain chroot: make its root a mount to test the image")
    scratch = instance.var / "container"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    made = image.Builder(scratch)
    yield made
    made.remove()
    assert not scratch.exists(), "the image's storage is still there"


@pytest.fixture(scope="module")
def built(builder):
    builder.base()
    builder.build(TAG)
    return TAG


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def own_redis(builder):
    """A Redis without anybody else's counters."""
    port, password = free_port(), secrets.token_urlsafe(18)
    child = subprocess.Popen(
        ["redis-server", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    child.stdin.write(f"bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ''\n")
    child.stdin.close()
    yield SimpleNamespace(port=port, password=password)
    child.terminate()
    child.wait(10)


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """The authority of those who may come in at the second listener."""
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


@pytest.fixture(scope="module")
def settings(instance, builder, compose, own_redis, clients):
    """docker-compose.yml's environment, with the addresses of this machine."""
    port = free_port()
    secret = builder.scratch / "secrets"
    secret.mkdir(mode=0o700)
    for name in ("eleusis_server", "eleusis_owner"):
        shutil.copy(instance.keys / f"{name}.pw", secret / name)
    (secret / "redis").write_text(own_redis.password)
    shutil.copy(clients.pair.cert, secret / "clients.pem")
    with new_database(instance) as database:
        here = {
            "ELEUSIS_PORT": str(port),
            "ELEUSIS_BIND": "127.0.0.1",
            "ELEUSIS_WORKERS": "2",
            "ELEUSIS_ORIGIN": f"https://localhost:{port}",
            "ELEUSIS_DB_HOST": instance.env["ELEUSIS_DB_HOST"],
            "ELEUSIS_DB_PORT": instance.env["ELEUSIS_DB_PORT"],
            "ELEUSIS_DB_NAME": database.name,
            "ELEUSIS_REDIS_HOST": "127.0.0.1",
            "ELEUSIS_REDIS_PORT": str(own_redis.port),
            "ELEUSIS_MTLS_PORT": str(free_port()),
            "ELEUSIS_MTLS_BIND": "127.0.0.1",
            "ELEUSIS_MTLS_CLIENT_CA": "/run/secrets/clients.pem",
        }
        yield compose["services"]["api"]["environment"] | here | {"ELEUSIS_DATA": DATA}


@pytest.fixture(scope="module")
def container(builder, built, settings, compose):
    state = builder.scratch / "data"
    state.mkdir()
    volumes = {builder.scratch / "secrets": "/run/secrets", state: DATA}
    return image.Container(builder, built, settings, volumes, compose["services"]["api"]["cap_add"])


@pytest.fixture(scope="module")
def served(builder, container, settings):
    """The server in its container; ended by the last test, or here."""
    output = builder.scratch / "output"
    url = settings["ELEUSIS_ORIGIN"]
    certificate = builder.scratch / "data" / "tls" / "server.pem"
    child = container.start(output, f"{PREFIX}/docker/entrypoint", "serve")
    made = SimpleNamespace(
        child=child,
        output=output,
        url=url,
        ca=str(certificate),
        address=("localhost", int(settings["ELEUSIS_PORT"])),
    )
    try:
        for _ in range(300):
            if child.poll() is not None or (certificate.exists() and ready(made)):
                break
            time.sleep(0.2)
        else:
            pytest.fail(f"not ready: {output.read_text()}")
        assert child.poll() is None, output.read_text()
        yield made
    finally:
        if child.poll() is None:
            image.stop(child, 40)


def ready(served) -> bool:
    with contextlib.suppress(OSError), raw.connection(served) as made:
        made.sendall(raw.head(served, "GET", "/health/ready"))
        return raw.status(raw.receive(made)) == 200
    return False


@pytest.fixture(scope="module")
def clinician(container, served):
    """A user made by eleusisctl inside the container, logged in."""
    email, password = data.email(), data.password()
    done = container.run(
        f"{PREFIX}/docker/entrypoint", "ctl", "user", "create", "--email", email,
        "--name", "Inside", "--role", "clinician", "--password-file", "-",
        input=password + "\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with Api(served) as api:
        yield api.login(email, password)


# ---- the image ------------------------------------------------------------------


def test_no_compiler_is_in_the_image(container):
    script = f"for p in {' '.join(COMPILERS)}; do command -v $p; done; exit 0"
    done = container.run("sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    packages = container.run("dpkg-query", "-W", "-f", "${Package}\n").stdout.split()
    assert "libpq5" in packages
    assert not set(packages) & {"gcc", "gcc-12", "g++", "binutils", "make", "clang", "python3"}
    assert not [p for p in packages if p.endswith("-dev")]


def test_the_image_holds_the_server_and_no_secret(container):
    inside = container.root / PREFIX.lstrip("/")
    files = {str(p.relative_to(inside)) for p in inside.rglob("*") if p.is_file()}
    assert {"build/kore/kore", "build/eleusis.so", "build/eleusisctl", "kore.conf"} <= files
    assert not [f for f in files if f.endswith((".c", ".h", ".o", ".a", ".py", ".key", ".pw"))]
    assert not [f for f in files if f.startswith((".git", "src/", "var/", "tests/", "cert/"))]
    passwd = (container.root / "etc/passwd").read_text()
    assert all(f"\n{user}:" in passwd for user in ("eleusis", "eleusis-tls"))


def test_its_size(container, capsys):
    """Everything above the base is the server and eight libraries."""
    used = int(image.run("du", "-sxm", container.root).split()[0])
    with capsys.disabled():
        print(f"[image: {used} MiB]", end=" ")
    assert used < IMAGE_MIB


def test_wrong_words_are_refused(container):
    done = container.run(f"{PREFIX}/docker/entrypoint", "dance")
    assert done.returncode == 64
    assert "unknown command: dance" in done.stderr


def test_production_wants_a_certificate(container, settings, tmp_path):
    """Only development is served with a certificate that nobody trusts."""
    done = container.run(
        "env", "ELEUSIS_ENV=prod", "ELEUSIS_ORIGIN=https://eleusis.example",
        "ELEUSIS_TLS_DIR=/tmp/tls", "ELEUSIS_KEY_DIR=/tmp/keys",
        f"{PREFIX}/docker/entrypoint", "serve",
    )  # fmt: skip
    assert done.returncode == 1
    assert "no certificate" in done.stderr


# ---- the server in it -------------------------------------------------------------


def test_it_is_ready_and_healthy(container, served):
    with Api(served) as api:
        assert api.get("/health/ready").status_code == 200
        assert api.get("/health/live").status_code == 200
    done = container.run(f"{PREFIX}/docker/entrypoint", "healthy")
    assert done.returncode == 0, done.stderr


def test_the_first_admin_is_told_once(container, served):
    said = FIRST_ADMIN.findall(served.output.read_text())
    assert len(said) == 1
    with Api(served) as api:
        body = {"email": "admin@eleusis.localhost", "password": said[0]}
        assert api.post("/v1/auth/login", body).status_code == 200


def test_children_are_locked_up(served):
    parent = image.kore_parent(served.child.pid)
    children = process.children(parent)
    assert len(children) == 3
    users = set()
    for pid in children:
        status = process.status(pid)
        users |= set(status["Uid"].split())
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
    assert "0" not in users
    assert len(users) == 2


def test_a_patient_is_stored_and_read(served, clinician):
    made = clinician.made("/v1/patients", data.patient())
    assert clinician.get(f"/v1/patients/{made['id']}").json() == made
    body = {"patient_id": made["id"], "model": "flchain-mortality-5y", "inputs": data.FLCHAIN}
    assert 0 < clinician.made("/v1/predictions", body)["probability"] < 1
    log = [line for line in served.output.read_text().splitlines() if line.startswith("{")]
    assert log
    assert all(json.loads(line) for line in log)
    assert made["family_name"] not in served.output.read_text()


def test_a_limit_of_open_files_is_in_force(served):
    for pid in process.children(image.kore_parent(served.child.pid)):
        limits = (process.PROC / str(pid) / "limits").read_text()
        assert int(re.search(r"Max open files +(\d+)", limits).group(1)) >= 16384


def test_the_second_listener(served, settings, clients):
    pair = clients.issue("client", usage="clientAuth")
    trust = ssl.create_default_context(cafile=served.ca)
    trust.load_cert_chain(pair.cert, pair.key)
    port = int(settings["ELEUSIS_MTLS_PORT"])
    with tls.connected(served, trust, port=port, name="mtls.localhost") as made:
        assert tls.get(made, host="mtls.localhost").startswith(b"HTTP/1.1 200")
    bare = ssl.create_default_context(cafile=served.ca)
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        tls.connected(served, bare, port=port, name="mtls.localhost") as made,
    ):
        made.recv(1)


def test_a_certificate_is_exchanged(builder, container, served):
    """A new pair is put beside the old one's place, checked, and taken without a restart."""
    home = builder.scratch / "data" / "tls"
    parent = image.kore_parent(served.child.pid)
    children = process.children(parent)
    kept = {name: (home / name).read_bytes() for name in ("server.pem", "server.key")}
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", home / "server.key",
        "-out", home / "server.pem",
    )  # fmt: skip
    done = container.run(f"{PREFIX}/docker/entrypoint", "reload")
    assert done.returncode == 0, done.stdout + done.stderr
    process.wait_until(lambda: ready(served), 5, "the new certificate")
    assert process.children(parent) == children

    (home / "server.pem").write_bytes(kept["server.pem"])
    done = container.run(f"{PREFIX}/docker/entrypoint", "reload")
    assert done.returncode != 0
    assert "key-mismatch" in done.stderr
    (home / "server.key").write_bytes(kept["server.key"])
    done = container.run(f"{PREFIX}/docker/entrypoint", "reload")
    assert done.returncode == 0, done.stdout + done.stderr
    process.wait_until(lambda: ready(served), 5, "the old certificate")


def test_sigterm_finishes_what_was_begun(served, clinician):
    """The last test: 20 requests are under way, each is answered, and it ends with 0."""
    with contextlib.ExitStack() as stack:
        every = [stack.enter_context(raw.connection(served, 30)) for _ in range(20)]
        for made in every:
            body = json.dumps(data.patient()).encode()
            made.sendall(
                raw.head(
                    served, "POST", "/v1/patients", f"Authorization: Bearer {clinician.token}",
                    "Content-Type: application/json", f"Content-Length: {len(body)}",
                )
                + body
            )  # fmt: skip
        os.kill(image.kore_parent(served.child.pid), signal.SIGTERM)
        statuses = Counter(raw.status(raw.receive(made)) for made in every)
    assert statuses == {201: 20}, served.output.read_text()[-3000:]
    assert served.child.wait(40) == 0, served.output.read_text()[-3000:]
