"""Bodies that are not what they should be: 400, 413, 415 and 422, never 500."""

import json
import random

import httpx
import pytest
from lib import data
from lib.db import count
from lib.problem import problem

PATIENTS = "/v1/patients"

MALFORMED = {
    "empty": b"",
    "blank": b" \r\n\t",
    "open object": b"{",
    "open array": b"[",
    "close only": b"}",
    "mismatched": b'{"a": [}]',
    "no value": b'{"given_name": }',
    "no colon": b'{"given_name" "x"}',
    "no comma": b'{"a": 1 "b": 2}',
    "trailing comma": b'{"a": 1,}',
    "leading comma": b'{,"a": 1}',
    "two commas": b'{"a": 1,, "b": 2}',
    "trailing comma in array": b'{"a": [1,]}',
    "trailing bytes": b'{"a": 1} x',
    "two texts": b'{"a": 1}{"b": 2}',
    "two lines": b'{"a": 1}\n{"b": 2}',
    "single quotes": b"{'a': 1}",
    "bare name": b"{a: 1}",
    "bare word": b'{"a": word}',
    "comment": b'{"a": 1 /* x */}',
    "line comment": b'{"a": 1} // x',
    "cut string": b'{"a": "x',
    "cut escape": b'{"a": "\\',
    "cut unicode escape": b'{"a": "\\u12"}',
    "unknown escape": b'{"a": "\\x41"}',
    "raw newline": b'{"a": "x\ny"}',
    "raw tab": b'{"a": "x\ty"}',
    "raw nul": b'{"a": "x\0y"}',
    "nul after": b'{"a": 1}\0',
    "plus": b'{"a": +1}',
    "leading zero": b'{"a": 01}',
    "bare point": b'{"a": .5}',
    "no digits": b'{"a": 1.}',
    "no exponent": b'{"a": 1e}',
    "hexadecimal": b'{"a": 0x10}',
    "minus only": b'{"a": -}',
    "NaN": b'{"a": NaN}',
    "nan": b'{"a": nan}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "overflow": b'{"a": 1e400}',
    "negative overflow": b'{"a": -1e400}',
    "True": b'{"a": True}',
    "nul word": b'{"a": nul}',
    "undefined": b'{"a": undefined}',
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "utf-32": '{"a": 1}'.encode("utf-32"),
    "lone continuation": b'{"a": "\x80"}',
    "cut sequence": b'{"a": "\xc3"}',
    "overlong slash": b'{"a": "\xc0\xaf"}',
    "overlong three": b'{"a": "\xe0\x80\xaf"}',
    "encoded surrogate": b'{"a": "\xed\xa0\x80"}',
    "past U+10FFFF": b'{"a": "\xf4\x90\x80\x80"}',
    "0xff": b'{"a": "\xff"}',
    "latin-1": '{"given_name": "Zoë"}'.encode("latin-1"),
    "bad utf-8 in a name": b'{"\xff": 1}',
    "lone high surrogate": b'{"a": "\\ud800"}',
    "lone low surrogate": b'{"a": "\\udc00"}',
    "two high surrogates": b'{"a": "\\ud800\\ud800"}',
    "same name twice": b'{"given_name": "a", "given_name": "b"}',
    "same name, escaped": b'{"given_name": "a", "giv\\u0065n_name": "b"}',
    "same name below": b'{"a": {"b": 1, "b": 1}}',
    "form": b"given_name=a&family_name=b",
    "xml": b"<patient/>",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_json(clinician, name):
    found = problem(clinician.raw("POST", PATIENTS, MALFORMED[name]), "malformed-json")
    assert "given_name" not in found["detail"]


@pytest.mark.parametrize("name", ["open object", "NaN", "0xff", "same name twice", "empty"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/auth/login"),
        ("POST", "/v1/auth/password"),
        ("POST", "/v1/predictions"),
        ("PATCH", PATIENTS + "/{id}"),
        ("POST", PATIENTS + "/{id}/observations"),
    ],
)
def test_malformed_json_everywhere(clinician, patient, method, path, name):
    path = path.format(id=patient()["id"])
    problem(clinician.raw(method, path, MALFORMED[name]), "malformed-json")


def nested(levels: int, pair: bytes = b"[]") -> bytes:
    """An object whose member nests so that the text has `levels` levels."""
    return b'{"x":' + pair[:1] * (levels - 1) + pair[1:] * (levels - 1) + b"}"


def test_ten_levels_are_read_and_eleven_are_not(clinician):
    reply = clinician.raw("POST", PATIENTS, nested(10))
    problem(reply, "validation-failed", contains={"/x"})
    for levels in (11, 12, 100, 7000):
        problem(clinician.raw("POST", PATIENTS, nested(levels)), "malformed-json")
    deep = b'{"a":' * 11 + b"1" + b"}" * 11
    problem(clinician.raw("POST", PATIENTS, deep), "malformed-json")
    problem(clinician.raw("POST", PATIENTS, b"[" * 11), "malformed-json")


def test_numbers_at_the_edge_of_a_double_are_numbers(clinician, patient):
    path = f"{PATIENTS}/{patient()['id']}/observations"
    for value in (b"1.7976931348623157e308", b"5e-324", b"-0.0", b"1" + b"0" * 100):
        body = b'{"code": "creatinine", "value": ' + value + b"}"
        problem(clinician.raw("POST", path, body), "validation-failed", {"/value"})
    problem(
        clinician.raw("POST", path, b'{"code": "creatinine", "value": 1e309}'), "malformed-json"
    )


def test_escapes_and_whitespace_are_read(clinician):
    body = json.dumps(data.minimal_patient(given_name="Zoë 🙂"), indent=4, ensure_ascii=True)
    reply = clinician.raw("POST", PATIENTS, b"\r\n\t " + body.encode() + b"\n")
    assert reply.status_code == 201
    assert reply.json()["given_name"] == "Zoë 🙂"


def test_many_members_are_refused_in_time(clinician):
    for body in (
        b"{" + b",".join(b'"m%d":0' % n for n in range(3000)) + b"}",
        b'{"x":[' + b"0," * 20_000 + b"0]}",
    ):
        reply = clinician.raw("POST", PATIENTS, body)
        assert reply.status_code in (400, 413, 422)
        assert reply.elapsed.total_seconds() < 2


def test_at_most_fifty_mistakes_are_named(clinician):
    body = json.dumps({f"member{n}": n for n in range(200)}).encode()
    found = problem(clinician.raw("POST", PATIENTS, body), "validation-failed")
    assert len(found["errors"]) == 50


# ---- content type and length --------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/xml", "application/jsonx", "text/json", "application", "json", "*/*",
        "application/json; charset=latin-1", "application/problem+json",
    ],
)  # fmt: skip
def test_a_body_of_another_type(instance, clinician, kind):
    before = count(instance, "patient")
    body = json.dumps(data.patient()).encode()
    reply = clinician.raw("POST", PATIENTS, body, content_type=kind)
    problem(reply, "unsupported-media-type")
    assert count(instance, "patient") == before


def test_a_body_without_a_type(clinician):
    reply = clinician.http.post(PATIENTS, content=json.dumps(data.patient()).encode())
    problem(reply, "unsupported-media-type")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json", "application/json; charset=utf-8", "APPLICATION/JSON",
        "application/json;charset=UTF-8", 'application/json; charset="utf-8"',
    ],
)  # fmt: skip
def test_the_type_is_read_as_http_says(clinician, kind):
    body = json.dumps(data.patient()).encode()
    assert clinician.raw("POST", PATIENTS, body, content_type=kind).status_code == 201


def test_a_body_over_the_limit(clinician, anonymous, instance):
    before = count(instance, "patient")
    for size in (1_200_000, 3_000_000):
        body = json.dumps(data.patient(notes="n" * size)).encode()
        for who, path in ((clinician, PATIENTS), (anonymous, "/v1/auth/login")):
            try:
                reply = who.raw("POST", path, body)
            except (httpx.WriteError, httpx.ReadError):
                continue
            problem(reply, "content-too-large")
    assert count(instance, "patient") == before


def test_each_endpoint_has_its_own_limit(clinician, anonymous):
    """A log-in needs no 200 KiB, though another endpoint might."""
    for who, path in (
        (anonymous, "/v1/auth/login"),
        (clinician, PATIENTS),
        (clinician, "/v1/predictions"),
    ):
        body = b'{"x": "' + b"y" * 200_000 + b'"}'
        problem(who.raw("POST", path, body), "content-too-large")


def test_a_body_where_none_belongs(clinician):
    for path in ("/v1/auth/logout",):
        reply = clinician.twin().raw("POST", path, b'{"x": 1}')
        assert reply.status_code in (400, 413, 415, 422)
    assert clinician.get("/v1/me").status_code == 200


# ---- random damage -------------------------------------------------------------------------


def test_damaged_bodies_are_answered(clinician):
    """Bytes changed, cut, doubled and moved at random; the seed is in the assertion."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    whole = json.dumps(data.patient(), ensure_ascii=False).encode()
    for _ in range(250):
        body = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            spot = rng.randrange(len(body))
            action = rng.randrange(4)
            if action == 0:
                body[spot] = rng.randrange(256)
            elif action == 1:
                del body[spot : spot + rng.randrange(1, 20)]
            elif action == 2:
                body[spot:spot] = rng.randbytes(rng.randrange(1, 4))
            else:
                body[spot:spot] = rng.choice([b"{", b"}", b'"', b"[", b"\\u", b",", b":", b"1e9"])
            if not body:
                break
        reply = clinician.raw("POST", PATIENTS, bytes(body))
        assert reply.status_code in (201, 400, 409, 422), (seed, bytes(body), reply.text)
