"""Who may do what: every operation, asked by everybody, about every kind of object.

tests/data/authorisation.csv says what is to come of it, docs/development.md how to add a row.
"""

import pytest
from lib import data
from lib.db import connect
from lib.matrix import IN_BODY, RELATIONS, ROLES, Case, World, matrix, operations
from lib.problem import problem
from lib.tables import roles

MATRIX = matrix()
OPERATIONS = operations()
PATIENTS = {"patient_id", "observation_id", "prediction_id"}


# ---- the table itself ---------------------------------------------------------------


def test_every_operation_has_its_row():
    assert set(MATRIX) == set(OPERATIONS)


def test_the_table_names_every_operation_that_is_served(anonymous):
    paths = anonymous.get("/openapi.json").json()["paths"]
    served = {
        operation["operationId"]
        for item in paths.values()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert served <= set(MATRIX)


@pytest.mark.parametrize("name", MATRIX)
def test_a_row_asks_all_there_is_to_ask(name):
    """Where there is an object, also for one that is not hers and for none."""
    row, operation = MATRIX[name], OPERATIONS[name]
    for statuses in row.roles.values():
        assert len(statuses) == len(RELATIONS[row.object])
    if not operation.parameters:
        assert row.object == IN_BODY.get(name, "-")
    else:
        assert row.object != "-"
    if PATIENTS & set(operation.parameters):
        assert row.object == "patient"


@pytest.mark.parametrize("name", MATRIX)
def test_the_table_grants_nothing_beyond_the_scopes(name):
    row, operation = MATRIX[name], OPERATIONS[name]
    if operation.public:
        return
    assert row.others["anonymous"] == 401
    for role in ROLES:
        if operation.scope not in roles()[role]:
            assert set(row.roles[role]) == {403}, role


# ---- asking -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(instance, log_in, new_user):
    made = World(instance, log_in, new_user)
    yield made
    made.close()


@pytest.mark.parametrize("name", MATRIX)
def test_the_answers_are_those_of_the_table(instance, world, name):
    wrong, refused = [], []
    for who, relation, status in MATRIX[name].cells():
        reply = Case(world, OPERATIONS[name], who, relation).send()
        if reply.status_code != status:
            wrong.append(f"{who} {relation}: {reply.status_code}, not {status}: {reply.text[:200]}")
        if reply.status_code in (403, 404):
            refused.append((reply.headers["x-request-id"], who, relation))
    assert not wrong, "\n".join([name, *wrong])
    if not OPERATIONS[name].public:
        recorded(instance, name, refused)


def recorded(instance, name: str, refused: list[tuple[str, str, str]]) -> None:
    """What is refused to somebody known is in the audit log, under her name."""
    with connect(instance) as db:
        found = {
            str(row["request_id"])
            for row in db.execute(
                "SELECT request_id FROM eleusis.audit_event WHERE request_id = ANY(%s)"
                " AND outcome <> 'allowed' AND actor_kind = 'user'",
                [[id_ for id_, *_ in refused]],
            )
        }
    silent = OPERATIONS[name].audit == "-"
    missing = [
        (who, relation)
        for id_, who, relation in refused
        # Operations that audit nothing record who may not ask, not what there is not.
        if id_ not in found and not (silent and relation == "unknown")
    ]
    assert not missing, f"{name} was refused without a trace: {missing}"


def test_a_disabled_user_is_shut_out_of_her_patients(instance, log_in):
    who = log_in("clinician")
    made = who.made("/v1/patients", data.patient())
    with connect(instance) as db:
        db.execute("UPDATE eleusis.app_user SET disabled = true WHERE id = %s", [who.user["id"]])
    reply = who.get(f"/v1/patients/{made['id']}")
    assert reply.status_code in (401, 403, 404)
    body = {"email": who.email, "password": who.password}
    problem(who.http.post("/v1/auth/login", json=body), "bad-credentials")
