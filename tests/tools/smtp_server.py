"""A mail server for tests: takes what it is sent, or refuses it as it is told.

    smtp_server.py PORT DIR [--cert FILE --key FILE [--implicit]] [--login USER:PASSWORD]

DIR/events.jsonl gets a line for each RCPT and each message; DIR/answer, when
it is there, holds the command ("RCPT" or "DATA") that is refused and the
reply to it, or "DATA stall": that one is never answered.
"""

import argparse
import asyncio
import base64
import json
import ssl
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, where: Path):
        self.where = where

    def note(self, server, session, event: str, **more) -> None:
        line = {
            "event": event,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "helo": session.host_name,
            "login": (session.auth_data or b"").decode() or None,
        }
        with (self.where / "events.jsonl").open("a") as out:
            out.write(json.dumps(line | more) + "\n")

    def answer(self, command: str) -> str | None:
        file = self.where / "answer"
        given = file.read_text() if file.exists() else ""
        name, _, reply = given.partition(" ")
        return reply if name == command else None

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.note(server, session, "rcpt", to=address)
        if reply := self.answer("RCPT"):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        reply = self.answer("DATA")
        if reply == "stall":
            self.note(server, session, "stalled")
            await asyncio.sleep(3600)
        if reply:
            return reply
        message = base64.b64encode(envelope.original_content).decode()
        self.note(
            server, session, "mail", sender=envelope.mail_from, to=envelope.rcpt_tos, data=message
        )
        return "250 OK"


def authenticator(expected: str):
    def check(server, session, envelope, mechanism, data):
        given = f"{data.login.decode()}:{data.password.decode()}"
        return AuthResult(success=given == expected, handled=False, auth_data=data.login)

    return check


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--implicit", action="store_true")
    parser.add_argument("--login")
    return parser.parse_args()


async def main() -> None:
    args = options()
    context = None
    if args.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
    handler = Handler(args.dir)

    def protocol():
        starttls = context and not args.implicit
        return SMTP(
            handler,
            hostname="mail.test",
            tls_context=context if starttls else None,
            require_starttls=bool(starttls),
            authenticator=authenticator(args.login) if args.login else None,
            auth_required=bool(args.login),
            auth_require_tls=bool(starttls),
        )

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", args.port, ssl=context if args.implicit else None
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
