"""A relay of TCP connections before a server, which can lose a reply on the way back."""

import contextlib
import socket
import threading


class Relay:
    """Passes bytes on, whatever they are. After lose_next_reply(), the next bytes that the
    server sends are dropped, and the connection is closed."""

    def __init__(self, server: tuple[str, int]):
        self.server, self.lost = server, 0
        self.losing = threading.Event()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()

    def lose_next_reply(self) -> None:
        self.losing.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.door.accept()
                server = socket.create_connection(self.server)
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, reply: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if reply and self.losing.is_set():
                    self.losing.clear()
                    self.lost += 1
                    break
                to.sendall(chunk)
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
