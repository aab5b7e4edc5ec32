"""A certificate by ACME (RFC 8555): pebble is the authority, dehydrated the client.

The authority looks names up at a test server that answers 127.0.0.1 for all of them, fetches the
challenge over HTTP, issues, and dehydrated's hook puts the result into service.
"""

import contextlib
import functools
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from lib.pki import Authority, Pair
from lib.process import wait_until
from lib.tables import ROOT
from lib.tls import connected, get

NAME = "eleusis.test"
HOOK = """#!/bin/sh
# $1 deploy_cert, $2 domain, $3 key, $4 certificate, $5 certificate with its chain
[ "$1" = deploy_cert ] || exit 0
exec {dev} certificate reload "$5" "$3"
"""

pytestmark = pytest.mark.restarts


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in made:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in made]


@pytest.fixture(scope="module")
def named(instance):
    """The server, answering for the certificate's name too."""
    instance.restart(ELEUSIS_HOSTS=f"{NAME}:{instance.address[1]}")
    yield
    instance.restart()


@pytest.fixture(scope="module")
def home(instance, named) -> Authority:
    """The development authority; its certificate comes back at the end."""
    cert = Path(instance.ca).parent
    made = Authority(cert, pair=Pair(cert / "ca.pem", cert / "ca.key"))
    yield made
    dev(instance, "certificate", "reload")


def dev(instance, *args) -> None:
    subprocess.run(
        [ROOT / "dev", *args], env=os.environ | instance.env, check=True, capture_output=True
    )


@contextlib.contextmanager
def running(*command, **env: str):
    child = subprocess.Popen(
        [str(c) for c in command],
        env=os.environ | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.terminate()
        child.wait(10)


@pytest.fixture(scope="module")
def acme(home, tmp_path_factory):
    """An authority of its own, with its directory's address and where it expects challenges."""
    where = tmp_path_factory.mktemp("acme")
    api, management, web, alpn, dns, names = free_ports(6)
    pair = Authority(where, pair=home.pair).issue("pebble")
    config = where / "pebble.json"
    config.write_text(json.dumps({"pebble": {
        "listenAddress": f"127.0.0.1:{api}", "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(pair.cert), "privateKey": str(pair.key), "httpPort": web,
        "tlsPort": alpn, "ocspResponderURL": "", "externalAccountBindingRequired": False,
    }}))  # fmt: skip
    trust = ssl.create_default_context(cafile=str(home.pair.cert))
    with (
        running(
            "pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns}", "-http01", "", "-https01", "",
            "-tlsalpn01", "", "-defaultIPv6", "", "-management", f"127.0.0.1:{names}",
        ),
        running(
            "pebble", "-config", config, "-dnsserver", f"127.0.0.1:{dns}",
            PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="0",
        ),
    ):  # fmt: skip
        directory = f"https://localhost:{api}/dir"

        def up() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(directory, verify=trust).status_code == 200
            return False

        wait_until(up, 20, "pebble")
        root = httpx.get(f"https://localhost:{management}/roots/0", verify=trust).text
        yield SimpleNamespace(where=where, directory=directory, web=web, root=root)


@pytest.fixture(scope="module")
def challenges(acme) -> Path:
    """Port 80 of the name, as the authority sees it."""
    served = acme.where / "www"
    answers = served / ".well-known/acme-challenge"
    answers.mkdir(parents=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", acme.web), functools.partial(Quiet, directory=str(served))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_comes_into_service(instance, named, acme, challenges, home):
    hook = acme.where / "hook"
    hook.write_text(HOOK.format(dev=ROOT / "dev"))
    hook.chmod(0o755)
    (acme.where / "domains.txt").write_text(f"{NAME}\n")
    config = acme.where / "config"
    config.write_text(
        f'CA="{acme.directory}"\nCHALLENGETYPE="http-01"\nBASEDIR="{acme.where}"\n'
        f'WELLKNOWN="{challenges}"\nDOMAINS_TXT="{acme.where}/domains.txt"\nHOOK="{hook}"\n'
        f'CURL_OPTS="--cacert {home.pair.cert}"\nKEY_ALGO=rsa\nKEYSIZE=2048\n'
    )
    parent, workers = instance.parent_pid(), instance.worker_pids()
    for action in (["--register", "--accept-terms"], ["--cron"]):
        done = subprocess.run(
            ["dehydrated", "--config", config, *action],
            env=os.environ | instance.env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    trust = ssl.create_default_context(cadata=acme.root)

    def served() -> bool:
        with (
            contextlib.suppress(ssl.SSLCertVerificationError),
            connected(instance, trust, name=NAME) as tls,
        ):
            return get(tls, host=NAME).startswith(b"HTTP/1.1 200")
        return False

    wait_until(served, 5, "the new certificate, with its chain")
    assert (instance.parent_pid(), instance.worker_pids()) == (parent, workers)
