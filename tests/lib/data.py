"""Random but valid people and measurements: no test reuses another's."""

import random
import secrets
import string
import time
import uuid
from datetime import UTC, date, datetime, timedelta

# Unlikely words, so that a leak can be searched for byte by byte.
ALPHABET = string.ascii_lowercase


def word(length: int = 12) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length)).capitalize()


def email() -> str:
    return f"{word().lower()}@{word(8).lower()}.example"


def password() -> str:
    return secrets.token_urlsafe(18)


def mrn() -> str:
    return f"M-{secrets.token_hex(8).upper()}"


def birth_date(rng: random.Random | None = None) -> str:
    rng = rng or random.Random()
    return (date(1930, 1, 1) + timedelta(days=rng.randrange(25000))).isoformat()


def patient(**changes) -> dict:
    """A complete body of POST /v1/patients."""
    body = {
        "given_name": word(),
        "family_name": word(),
        "birth_date": birth_date(),
        "sex": random.choice(["female", "male"]),
        "mrn": mrn(),
        "phone": f"+49 30 {secrets.randbelow(10**9):09d}",
        "address": f"{word()} street {secrets.randbelow(900)}, {word()}",
        "notes": f"{word()} {word()}",
    }
    body.update(changes)
    return body


REQUIRED = ("given_name", "family_name", "birth_date", "sex")
OPTIONAL = ("mrn", "phone", "address", "notes")


def minimal_patient(**changes) -> dict:
    body = patient()
    return {k: body[k] for k in REQUIRED} | changes


def uuid7() -> uuid.UUID:
    """An id of the right form that nothing has."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | secrets.randbits(80)
    return uuid.UUID(int=value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def instant(offset: timedelta = timedelta()) -> str:
    """RFC 3339 UTC, offset from now."""
    return (datetime.now(UTC) + offset).strftime("%Y-%m-%dT%H:%M:%SZ")


# Why a record is opened in an emergency.
REASON = "Found unconscious, no relatives, no papers"

# Complete inputs of flchain-mortality-5y, for tests that are about something else.
FLCHAIN = {
    "age": 67,
    "sex": 0,
    "sample_yr": 1999,
    "kappa": 1.31,
    "lambda": 1.57,
    "flc_grp": 6,
    "creatinine": 1.1,
    "mgus": 0,
}
