"""Keyset pages: patients, observations and audit events, newest first."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from lib import data
from lib.db import audit_of
from lib.problem import problem

PATIENTS = "/v1/patients"
ROWS = 55


@pytest.fixture(scope="module")
def crowd(log_in):
    """A clinician with 55 patients, and their ids from the newest on."""
    who = log_in("clinician")
    ids = [who.made(PATIENTS, data.minimal_patient(mrn=data.mrn()))["id"] for _ in range(ROWS)]
    return who, ids[::-1]


def next_link(reply) -> str | None:
    """The path and query of rel="next" (RFC 8288); None when there is none."""
    match = re.fullmatch(r'<([^>]+)>; rel="?next"?', reply.headers.get("link", ""))
    return match.group(1) if match else None


def walk(who, path: str) -> list[list[dict]]:
    """The pages from a path on, by their links; checks cursor against link."""
    pages = []
    while path:
        reply = who.get(path)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        assert set(body) == {"items", "next_cursor"}
        pages.append(body["items"])
        path = next_link(reply)
        if path is None:
            assert body["next_cursor"] is None
        else:
            assert parse_qs(urlsplit(path).query)["cursor"] == [body["next_cursor"]]
        assert len(pages) < 100, "the pages never end"
    return pages


def ids_of(pages: list[list[dict]]) -> list[str]:
    return [item["id"] for page in pages for item in page]


@pytest.mark.parametrize("limit", [1, 7, 20, 54, 55, 56])
def test_pages_hold_every_row_once(crowd, limit):
    who, ids = crowd
    pages = walk(who, f"{PATIENTS}?limit={limit}")
    assert ids_of(pages) == ids
    assert [len(p) for p in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


def test_the_default_page_has_20(crowd):
    who, ids = crowd
    reply = who.get(PATIENTS)
    assert [item["id"] for item in reply.json()["items"]] == ids[:20]
    assert "limit=20" in next_link(reply) or "limit" not in next_link(reply)


def test_an_item_is_the_whole_patient(crowd):
    who, ids = crowd
    first = who.get(PATIENTS, limit=1).json()["items"][0]
    assert first == who.get(f"{PATIENTS}/{ids[0]}").json()


def test_rows_made_between_pages_neither_repeat_nor_hide_any(log_in):
    who = log_in("clinician")
    old = [who.made(PATIENTS, data.minimal_patient())["id"] for _ in range(9)][::-1]
    seen, path, new = [], f"{PATIENTS}?limit=3", []
    while path:
        reply = who.get(path)
        seen += [item["id"] for item in reply.json()["items"]]
        path = next_link(reply)
        new.append(who.made(PATIENTS, data.minimal_patient())["id"])
    assert seen == old
    assert ids_of(walk(who, f"{PATIENTS}?limit=5")) == new[::-1] + old


def test_nobody_has_an_empty_list(log_in):
    reply = log_in("clinician").get(PATIENTS)
    assert reply.json() == {"items": [], "next_cursor": None}
    assert "link" not in reply.headers


def test_a_list_holds_one_s_own_only(crowd, other_clinician):
    _, ids = crowd
    assert not set(ids_of(walk(other_clinician, f"{PATIENTS}?limit=50"))) & set(ids)


def test_a_cursor_of_another_shows_nothing_of_hers(crowd, other_clinician):
    who, ids = crowd
    cursor = who.get(PATIENTS, limit=5).json()["next_cursor"]
    reply = other_clinician.get(PATIENTS, limit=5, cursor=cursor)
    if reply.status_code == 200:
        assert not {item["id"] for item in reply.json()["items"]} & set(ids)
    else:
        problem(reply, "invalid-query", {"?cursor"})


def test_a_cursor_is_opaque(crowd):
    who, ids = crowd
    reply = who.get(PATIENTS, limit=5)
    cursor = reply.json()["next_cursor"]
    assert ids[4] not in cursor
    assert ids[4].replace("-", "") not in cursor
    assert cursor != who.get(PATIENTS, limit=6).json()["next_cursor"]


def test_a_changed_cursor_is_refused(crowd):
    who, _ = crowd
    cursor = who.get(PATIENTS, limit=5).json()["next_cursor"]
    for position in range(0, len(cursor) - 1, 5):
        other = "A" if cursor[position] != "A" else "B"
        bad = cursor[:position] + other + cursor[position + 1 :]
        problem(who.get(PATIENTS, cursor=bad), "invalid-query", {"?cursor"})
    for bad in ("", "x", cursor[:-2], cursor + "AA", cursor * 2, "ä", "%00", "A" * len(cursor)):
        problem(who.get(PATIENTS, cursor=bad), "invalid-query", {"?cursor"})


@pytest.mark.parametrize(
    "limit", ["0", "-1", "1001", "99999999999999999999", "x", "", "1.5", "1e1", "0x10", " 5", "+5"]
)
def test_a_limit_is_a_whole_number_in_bounds(crowd, limit):
    problem(crowd[0].get(PATIENTS, limit=limit), "invalid-query", {"?limit"})


def test_unknown_query_parameters_are_mistakes(crowd):
    reply = crowd[0].get(PATIENTS, colour="red", limit="x")
    problem(reply, "invalid-query", {"?colour", "?limit"})


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "limit", "=", "&&", "limit=%zz", "limit=%", "%00=1", "limit=5;x=1"]
)
def test_odd_queries_are_answered(crowd, query):
    reply = crowd[0].http.get(f"{PATIENTS}?{query}")
    assert reply.status_code in (200, 400), reply.text


def test_a_query_where_none_belongs_is_a_mistake(crowd):
    who, ids = crowd
    problem(who.get(f"{PATIENTS}/{ids[0]}", verbose="1"), "invalid-query", {"?verbose"})
    problem(who.get("/v1/me", x="1"), "invalid-query", {"?x"})


def test_a_patient_is_found_by_mrn(crowd, other_clinician):
    who, ids = crowd
    wanted = who.get(f"{PATIENTS}/{ids[30]}").json()
    found = who.get(PATIENTS, mrn=wanted["mrn"]).json()
    assert found == {"items": [wanted], "next_cursor": None}
    assert who.get(PATIENTS, mrn=wanted["mrn"].lower()).json()["items"] == [wanted]
    assert who.get(PATIENTS, mrn=data.mrn()).json()["items"] == []
    assert other_clinician.get(PATIENTS, mrn=wanted["mrn"]).json()["items"] == []


def test_an_mrn_asked_for_is_checked(crowd):
    who, _ = crowd
    for mrn in ("", "x" * 65):
        problem(who.get(PATIENTS, mrn=mrn), "invalid-query", {"?mrn"})


def test_an_mrn_patched_is_found_under_the_new_one_only(clinician, patient):
    made = patient()
    new = data.mrn()
    clinician.patch(f"{PATIENTS}/{made['id']}", {"mrn": new})
    assert clinician.get(PATIENTS, mrn=made["mrn"]).json()["items"] == []
    assert [i["id"] for i in clinician.get(PATIENTS, mrn=new).json()["items"]] == [made["id"]]


def test_the_audit_row_of_a_list_names_every_patient_in_it(instance, crowd):
    who, ids = crowd
    reply = who.get(PATIENTS, limit=10)
    rows = audit_of(instance, reply)
    assert {(r["action"], r["outcome"]) for r in rows} == {("patient.list", "allowed")}
    text = str([(r["object_id"], r["detail"]) for r in rows])
    assert all(i in text for i in ids[:10])
    assert not [i for i in ids[10:] if i in text]
    assert {str(r["actor_id"]) for r in rows} == {who.user["id"]}


def test_observations_come_in_pages(clinician, patient):
    path = f"{PATIENTS}/{patient()['id']}/observations"
    made = [
        clinician.made(path, {"code": "creatinine", "value": 1 + n / 100})["id"] for n in range(12)
    ]
    pages = walk(clinician, f"{path}?limit=5")
    assert ids_of(pages) == made[::-1]
    assert [len(p) for p in pages] == [5, 5, 2]
    assert len(clinician.get(path).json()["items"]) == 12


def test_a_cursor_of_one_list_is_none_of_another(crowd, patient, clinician):
    who, _ = crowd
    cursor = who.get(PATIENTS, limit=5).json()["next_cursor"]
    path = f"{PATIENTS}/{patient()['id']}/observations"
    clinician.made(path, {"code": "creatinine", "value": 1})
    reply = clinician.get(path, cursor=cursor)
    assert reply.status_code in (200, 400)


def test_head_answers_like_get_without_a_body(crowd):
    who, ids = crowd
    for path in (PATIENTS, f"{PATIENTS}/{ids[0]}", "/v1/me", "/health/live"):
        get, head = who.get(path), who.http.head(path)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers.get("etag") == get.headers.get("etag")
