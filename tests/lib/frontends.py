"""nginx and haproxy, each in front of a backend that answers whatever it gets.

What is policy is configured as our server has it: the names it answers to, its
methods, the size of bodies. What is grammar is left to their parsers.
"""

import contextlib
import random
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from lib.process import wait_until

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

NGINX = """
daemon off;
master_process off;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    server_tokens off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size 1m;
    client_header_buffer_size 1k;
    large_client_header_buffers 4 8k;
    merge_slashes off;
    server {{
        listen 127.0.0.1:{port} default_server;
        server_name _;
        return 421;
    }}
    server {{
        listen 127.0.0.1:{port};
        server_name localhost;
        if ($request_method !~ ^({methods})$) {{ return 501; }}
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
        }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    timeout http-request 10s
frontend front
    bind 127.0.0.1:{port}
    http-request deny deny_status 501 unless {{ method {methods} }}
    http-request deny deny_status 421 unless {{ req.fhdr(host),field(1,:) -i localhost }}
    http-request deny deny_status 413 if {{ req.hdr(content-length) -m int gt 1048576 }}
    default_backend back
backend back
    server one 127.0.0.1:{backend}
"""


class Anything(socketserver.BaseRequestHandler):
    """Reads a header block and what it says of a body; answers 200."""

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            data = self.until(b"", b"\r\n\r\n")
            top, _, body = data.partition(b"\r\n\r\n")
            fields = dict(
                line.lower().split(b":", 1) for line in top.split(b"\r\n")[1:] if b":" in line
            )
            if b"chunked" in fields.get(b"transfer-encoding", b""):
                self.until(body, b"0\r\n\r\n")
            while len(body) < int(fields.get(b"content-length", b"0")):
                body += self.more()
            self.request.sendall(ANSWER)

    def until(self, data: bytes, end: bytes) -> bytes:
        while end not in data:
            data += self.more()
        return data

    def more(self) -> bytes:
        piece = self.request.recv(65536)
        if not piece:
            raise OSError("the front end has closed")
        return piece


class Backend(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


def free_port() -> int:
    """One outside the range that the kernel hands to clients."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def backend() -> Iterator[int]:
    """The port of a running backend."""
    with Backend(("127.0.0.1", 0), Anything) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def front_end(command: list[str], config: Path, template: str, backend: int, **values):
    """The port of a server that runs with this configuration."""
    port = free_port()
    config.write_text(template.format(port=port, backend=backend, dir=config.parent, **values))
    with (config.parent / "output").open("wb") as out:
        child = subprocess.Popen([*command, str(config)], stdout=out, stderr=out)
    try:
        wait_until(lambda: listening(port) or child.poll() is not None, 10, command[0])
        assert child.poll() is None, (config.parent / "output").read_text()
        yield port
    finally:
        child.kill()
        child.wait()


def nginx(where: Path, behind: int):
    command = ["nginx", "-p", str(where), "-e", f"{where}/error.log", "-c"]
    return front_end(command, where / "nginx.conf", NGINX, behind, methods="|".join(METHODS))


def haproxy(where: Path, behind: int):
    command = ["haproxy", "-db", "-f"]
    return front_end(command, where / "haproxy.cfg", HAPROXY, behind, methods=" ".join(METHODS))
