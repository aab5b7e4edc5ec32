"""The listener for clients with certificates: who comes in, and that it is the same service."""

import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from lib.pki import Authority, Pair, fingerprint
from lib.tls import VERSIONS, ask, connected, get, visit

NAME = "mtls.localhost"

pytestmark = pytest.mark.restarts


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


def second(port: int, name: str = NAME) -> dict[str, str]:
    return {
        "KORE_MTLS": "conf/mtls.kore.conf",
        "KORE_MTLS_BIND": f"127.0.0.1 {port}",
        "KORE_MTLS_DOMAIN": f"{name} {{",
        "KORE_MTLS_CLIENT_CA": "etc/ssl/client-ca.pem",
    }


@pytest.fixture(scope="module")
def port(instance, authority):
    """The server, restarted with its second listener."""
    found = free_port()
    file = instance.var / "chroot/etc/ssl/client-ca.pem"
    shutil.copy(authority.pair.cert, file)
    file.chmod(0o644)
    instance.restart(**second(found))
    yield found
    file.unlink()
    instance.restart()


@pytest.fixture(scope="module")
def client(authority) -> Pair:
    return authority.issue("client", usage="clientAuth")


def trust(instance, pair: Pair | None = None, version=None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=instance.ca)
    if version:
        made.minimum_version = made.maximum_version = version
    if pair:
        made.load_cert_chain(pair.cert, pair.key)
    return made


def shake(instance, port: int, context: ssl.SSLContext, name: str | None) -> None:
    """Under TLS 1.3 the client is done first; what the server thinks of it, it hears then."""
    with connected(instance, context, port=port, name=name) as tls:
        tls.settimeout(3)
        assert not tls.recv(1)
        raise ConnectionError("closed")


def refused(instance, port: int, context: ssl.SSLContext, name: str | None = NAME) -> str:
    """How the handshake ended."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as caught:
        shake(instance, port, context, name)
    return str(caught.value)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_a_good_certificate(instance, port, client, version):
    with connected(instance, trust(instance, client, version), port=port, name=NAME) as tls:
        assert get(tls, host=NAME).startswith(b"HTTP/1.1 200")
        assert get(tls, host=NAME).startswith(b"HTTP/1.1 200"), "and again"


@pytest.mark.parametrize("algorithm", ["rsa:3072", "ec", "ed25519"])
def test_kinds_of_keys(instance, port, authority, algorithm):
    pair = authority.issue(f"kind-{algorithm[:2]}", usage="clientAuth", algorithm=algorithm)
    with connected(instance, trust(instance, pair), port=port, name=NAME) as tls:
        assert get(tls, host=NAME).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_no_certificate(instance, port, version):
    assert "alert" in refused(instance, port, trust(instance, None, version)).lower()


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_another_authority(instance, port, tmp_path, version):
    other = Authority(tmp_path, "clients").issue("client", usage="clientAuth")
    assert "alert" in refused(instance, port, trust(instance, other, version)).lower()


@pytest.mark.parametrize(
    "flaw", [{"days": -1}, {"usage": "serverAuth"}, {"algorithm": "rsa:1024"}], ids=str
)
def test_a_flawed_certificate(instance, port, authority, flaw):
    context = ssl.create_default_context(cafile=instance.ca)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # the client itself would refuse 1,024 bits
    pair = authority.issue("flawed", **({"usage": "clientAuth"} | flaw))
    context.load_cert_chain(pair.cert, pair.key)
    assert refused(instance, port, context)


def chained(where: Path, leaf: Pair, *above: Pair) -> Pair:
    where.write_text("".join(p.cert.read_text() for p in (leaf, *above)))
    return Pair(where, leaf.key)


def test_chains(instance, port, authority, tmp_path):
    """One authority in between is enough; and who is none cannot hand out anything."""
    chain = tmp_path / "chain.pem"
    below = authority.issue("below", usage="clientAuth", authority=True)
    leaf = Authority(tmp_path, "below", pair=below).issue("leaf", usage="clientAuth")
    with connected(
        instance, trust(instance, chained(chain, leaf, below)), port=port, name=NAME
    ) as tls:
        assert get(tls, host=NAME).startswith(b"HTTP/1.1 200")

    middle = Authority(tmp_path, "below", pair=below).issue(
        "middle", usage="clientAuth", authority=True
    )
    deep = Authority(tmp_path, "middle", pair=middle).issue("deep", usage="clientAuth")
    assert refused(instance, port, trust(instance, chained(chain, deep, middle, below)))

    plain = authority.issue("plain", usage="clientAuth")
    forged = Authority(tmp_path, "plain", pair=plain).issue("forged", usage="clientAuth")
    assert refused(instance, port, trust(instance, chained(chain, forged, plain)))


@pytest.mark.parametrize("name", [None, "localhost", "elsewhere.example"])
@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_another_name_is_no_way_around(instance, port, version, name):
    """Kore began every handshake with the first domain of all, which asks for nothing (0014)."""
    context = trust(instance, None, version)
    context.check_hostname = False
    assert refused(instance, port, context, name)


HOSTS = [
    f"{NAME}:@MTLS@", f"{NAME}:@OPEN@", NAME, f"{NAME}:443", f"{NAME}:0", "localhost:@MTLS@",
    "localhost:@OPEN@", "localhost", "127.0.0.1:@MTLS@", "127.0.0.1:@OPEN@", "elsewhere.example",
]  # fmt: skip


@pytest.mark.parametrize("sni", [NAME, "localhost", None])
@pytest.mark.parametrize("listener", ["open", "mtls"])
def test_a_host_is_right_at_one_listener_only(instance, port, client, listener, sni):
    """Whatever the handshake said: the name and port of this very listener, or 421 (400)."""
    doors = {"open": instance.address[1], "mtls": port}
    names = {"open": ("localhost", "127.0.0.1"), "mtls": (NAME,)}[listener]
    ours = {f"{name}:{doors[listener]}" for name in names if sni in (None, name)}
    context = trust(instance, client)
    context.check_hostname = False
    seen = []
    for host in HOSTS:
        host = host.replace("@MTLS@", str(port)).replace("@OPEN@", str(doors["open"]))
        with connected(instance, context, port=doors[listener], name=sni) as tls:
            reply = ask(tls, "/health/live", host)
        seen.append(host in ours)
        expected = b"200" if seen[-1] else b"400" if host.endswith(":0") else b"421"
        assert reply.split(b" ", 2)[1:2] == [expected], host
    assert any(seen) == (sni in (None, *names))


def test_a_port_in_front_of_it_is_named(instance, port, client):
    """HOSTS names another port of it, and not at the open listener."""
    instance.restart(**second(port), ELEUSIS_HOSTS=f"{NAME} api.example {NAME}:8443")
    try:
        for host, expected in (
            (NAME, b"200"), (f"{NAME}:443", b"200"), (f"{NAME}:8443", b"200"),
            (f"{NAME}:{port}", b"200"), (f"{NAME}:9", b"421"), ("api.example", b"421"),
        ):  # fmt: skip
            for where, status in ((port, expected), (instance.address[1], b"421")):
                with connected(instance, trust(instance, client), port=where, name=NAME) as tls:
                    reply = ask(tls, "/health/live", host)
                assert reply.split(b" ", 2)[1:2] == [status], (host, where)
        context = trust(instance)
        context.check_hostname = False
        with connected(instance, context, name="api.example") as tls:
            assert ask(tls, "/health/live", "api.example").startswith(b"HTTP/1.1 200")
    finally:
        instance.restart(**second(port))


def test_it_needs_a_name_of_its_own(instance, port):
    """The origin's name at both would let one listener's clients in at the other."""
    instance.stop()
    try:
        size = instance.output.stat().st_size
        assert instance.spawn(**second(port, "LocalHost")).wait(20) != 0
        said = instance.output.read_text(errors="replace")[size:]
        assert "LocalHost is the origin's name and another listener's" in said
    finally:
        instance.start(**second(port))


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_sessions_are_no_way_around(instance, port, client, version):
    """Neither one of the open listener, nor one made with a certificate, stands for one."""
    bare = trust(instance, None, version)
    session = visit(instance, bare).session
    with pytest.raises((OSError, AssertionError)):
        visit(instance, bare, session, port=port)
    shown = trust(instance, client, version)
    with connected(instance, shown, port=port, name=NAME) as tls:
        assert get(tls, host=NAME).startswith(b"HTTP/1.1 200")
        mine = tls.session
    assert mine is None or not mine.has_ticket
    with connected(instance, shown, mine, port=port, name=NAME) as tls:
        assert not tls.session_reused


def test_the_open_listener_asks_for_nothing(instance, port, client):
    for pair in (None, client):
        with connected(instance, trust(instance, pair)) as tls:
            assert get(tls).startswith(b"HTTP/1.1 200")


def paths(instance) -> list[str]:
    api = httpx.get(f"{instance.url}/openapi.json", verify=trust(instance)).json()
    some = "018f0000-0000-7000-8000-000000000000"
    found = [re.sub(r"\{[^}]+\}", some, path) for path in api["paths"]]
    return [*sorted(set(found)), "/nowhere"]


def test_both_listeners_serve_the_same(instance, port, client):
    """Every path, every method: the same status behind either door."""
    wanted = paths(instance)
    assert len(wanted) > 10
    with (
        httpx.Client(base_url=instance.url, verify=trust(instance)) as one,
        httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust(instance, client)) as two,
    ):
        named = {"headers": {"host": f"{NAME}:{port}"}, "extensions": {"sni_hostname": NAME}}
        for path in wanted:
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                expect = one.request(method, path)
                reply = two.request(method, path, **named)
                assert (method, path, reply.status_code) == (method, path, expect.status_code)
                assert reply.headers.get("content-type") == expect.headers.get("content-type")


def test_the_log_names_the_certificate(instance, port, client):
    since = instance.log_size()
    with connected(instance, trust(instance, client), port=port, name=NAME) as tls:
        get(tls, "/health/ready", host=NAME)
    with connected(instance, trust(instance)) as tls:
        get(tls)
    lines = {line["http.route"]: line for line in instance.log_lines(since) if "http.route" in line}
    assert lines["/health/ready"]["tls.client.hash.sha256"] == fingerprint(client.cert)
    assert "tls.client.hash.sha256" not in lines["/health/live"]


def test_off_by_default(instance):
    """Without the setting, kore.conf includes nothing."""
    assert instance.env["KORE_MTLS"] == "/dev/null"
    done = subprocess.run(
        ["grep", "-c", "^include.*KORE_MTLS", "kore.conf"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "1"
