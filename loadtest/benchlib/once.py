"""Requests that may be sent only once: signed ones, and those with an Idempotency-Key."""

import secrets
import sys
import uuid
from pathlib import Path
from urllib.parse import urlsplit

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "clients" / "python"))


def line(method: str, path: str, headers: dict[str, str], body: str = "") -> str:
    """As requests.lua reads it."""
    fields = "|".join(f"{name}: {value}" for name, value in headers.items())
    return f"{method}\t{path}\t{fields}\t{body}"


def signed(url: str, key: dict, patients: list[str], number: int) -> list[str]:
    """GETs of patients, each with a signature and a nonce of its own."""
    # Here, so that --help needs nothing installed.
    from eleusis_client.signing import Hmac, Signer

    signer = Signer(key["prefix"], Hmac(key["hmac_secret"]))
    where = urlsplit(url)
    found = []
    for n in range(number):
        path = f"/v1/patients/{patients[n % len(patients)]}"
        headers = signer.headers("GET", f"{where.scheme}://{where.netloc}{path}", b"")
        found.append(line("GET", path, {"Accept": "application/json"} | headers))
    return found


def keyed(token: str, bodies: list[str], number: int) -> list[str]:
    """POSTs of predictions, each with an Idempotency-Key of its own."""
    run = secrets.token_hex(4)
    return [
        line(
            "POST",
            "/v1/predictions",
            {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "Idempotency-Key": f'"{run}-{uuid.uuid4()}"',
            },
            bodies[n % len(bodies)],
        )
        for n in range(number)
    ]


def write(lines: list[str], file: Path) -> str:
    file.write_text("\n".join(lines) + "\n")
    return str(file)
