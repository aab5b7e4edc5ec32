"""Models and predictions, against the held-out rows that training wrote."""

import csv
import json
import math
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from lib import data
from lib.db import audit_of, audit_row
from lib.metrics import statements
from lib.problem import problem
from lib.tables import ROOT

PREDICTIONS = "/v1/predictions"
FLCHAIN, WDBC = "flchain-mortality-5y", "wdbc-malignancy"
MODELS = {p.parent.parent.name: p.parent for p in sorted(ROOT.glob("models/*/*/heldout.csv"))}
SAMPLE = 40
TOLERANCE = 1e-6


def schema(model: str) -> dict:
    return json.loads((MODELS[model] / "schema.json").read_text())


def features(model: str) -> list[str]:
    return [f["name"] for f in schema(model)["features"]]


def heldout(model: str) -> list[tuple[dict, float]]:
    """(inputs, probability by libxgboost) of every held-out row; missing is None."""
    with (MODELS[model] / "heldout.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = features(model)
    return [
        ({n: float(r[n]) if r[n] else None for n in names}, float(r["probability"])) for r in rows
    ]


@pytest.fixture(scope="module")
def mine(patient):
    return patient(birth_date="1950-06-15", sex="male")


@pytest.fixture(scope="module")
def predict(clinician, mine):
    def make(model: str, inputs: dict, patient_id: str | None = None, **more) -> dict:
        body = {"patient_id": patient_id or mine["id"], "model": model, "inputs": inputs} | more
        return clinician.made(PREDICTIONS, body)

    return make


def ask(clinician, mine, **changes):
    body = {"patient_id": mine["id"], "model": FLCHAIN, "inputs": data.FLCHAIN} | changes
    return clinician.post(PREDICTIONS, body)


# ---- models --------------------------------------------------------------------


def test_both_models_are_shipped():
    assert {FLCHAIN, WDBC} <= set(MODELS)


def test_the_list_of_models_is_that_of_the_files(clinician):
    items = clinician.get("/v1/models").json()["items"]
    listed = {(m["name"], m["version"]): m for m in items}
    assert {(name, path.name) for name, path in MODELS.items()} <= set(listed)
    for name, path in MODELS.items():
        model = listed[name, path.name]
        assert model["title"] == schema(name)["title"]
        assert model["digest"].startswith("sha256:")
        assert len(model["digest"]) == 71
        assert model["schema_digest"].startswith("sha256:")
        assert len(model["schema_digest"]) == 71
        assert [f["name"] for f in model["features"]] == features(name)


# ---- probabilities ---------------------------------------------------------------


@pytest.mark.parametrize("model", sorted(MODELS))
def test_held_out_rows_get_libxgboost_s_probability(predict, model):
    """A sample of rows here, those with missing values first; the unit test has all."""
    rows = heldout(model)
    random.Random(7).shuffle(rows)
    rows.sort(key=lambda row: all(v is not None for v in row[0].values()))
    half = SAMPLE // 2
    for inputs, expected in rows[:half] + rows[-half:]:
        made = predict(model, inputs)
        assert abs(made["probability"] - expected) <= TOLERANCE
        logistic = 1 / (1 + math.exp(-made["margin"]))
        assert abs(made["probability"] - logistic) <= TOLERANCE


def test_a_prediction_says_where_it_comes_from(clinician, predict, mine):
    made = predict(FLCHAIN, data.FLCHAIN | {"creatinine": None})
    assert set(made) == {
        "id", "patient_id", "probability", "margin", "model", "inputs", "sources", "engine",
        "audit_event_id", "created_at",
    }  # fmt: skip
    listed = next(m for m in clinician.get("/v1/models").json()["items"] if m["name"] == FLCHAIN)
    assert made["model"] == {k: listed[k] for k in ("name", "version", "digest", "schema_digest")}
    assert made["patient_id"] == mine["id"]
    assert made["inputs"] == data.FLCHAIN | {"creatinine": None}
    assert set(made["sources"]) == set(features(FLCHAIN))
    assert made["sources"].pop("creatinine") == "missing"
    assert set(made["sources"].values()) == {"request"}
    assert made["engine"]
    again = clinician.get(f"{PREDICTIONS}/{made['id']}")
    assert again.status_code == 200
    assert again.json()["probability"] == made["probability"]
    made["sources"]["creatinine"] = "missing"
    assert again.json() == made


def test_the_reply_says_where_it_lies(clinician, mine):
    reply = ask(clinician, mine)
    assert reply.headers["location"].endswith(f"{PREDICTIONS}/{reply.json()['id']}")


def test_the_same_inputs_give_the_same_probability(predict):
    first, second = predict(FLCHAIN, data.FLCHAIN), predict(FLCHAIN, data.FLCHAIN)
    assert first["id"] != second["id"]
    assert first["probability"] == second["probability"]


# ---- inputs from the record ---------------------------------------------------------


def age_today(birth: str) -> int:
    born, today = datetime.fromisoformat(birth), datetime.now(UTC)
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def observe(clinician, made: dict, **values) -> None:
    codes = {f["name"]: f.get("code") for f in schema(FLCHAIN)["features"]}
    for name, value in values.items():
        path = f"/v1/patients/{made['id']}/observations"
        clinician.made(path, {"code": codes[name], "value": value})


def test_inputs_come_from_the_record(clinician, patient, predict):
    made = patient(birth_date="1948-03-09", sex="female")
    measured = {k: v for k, v in data.FLCHAIN.items() if k not in ("age", "sex")}
    observe(clinician, made, **measured)
    got = predict(FLCHAIN, {}, made["id"])
    age = age_today("1948-03-09")
    assert got["inputs"] == measured | {"age": age, "sex": 0}
    assert {got["sources"].pop(n) for n in ("age", "sex")} == {"patient"}
    assert set(got["sources"].values()) == {"observation"}
    direct = predict(FLCHAIN, measured | {"age": age, "sex": 0})
    assert got["probability"] == direct["probability"]


def test_the_newest_observation_counts_and_the_request_above_all(clinician, patient, predict):
    made = patient(birth_date="1948-03-09", sex="male")
    observe(clinician, made, **{k: v for k, v in data.FLCHAIN.items() if k not in ("age", "sex")})
    observe(clinician, made, creatinine=2.5)
    got = predict(FLCHAIN, {"kappa": 3.25}, made["id"])
    assert got["inputs"]["creatinine"] == 2.5
    assert (got["inputs"]["kappa"], got["sources"]["kappa"]) == (3.25, "request")
    assert got["inputs"]["sex"] == 1


def test_null_means_missing_even_when_the_record_knows(clinician, patient, predict):
    made = patient(birth_date="1948-03-09", sex="male")
    observe(clinician, made, **{k: v for k, v in data.FLCHAIN.items() if k not in ("age", "sex")})
    got = predict(FLCHAIN, {"creatinine": None}, made["id"])
    assert (got["inputs"]["creatinine"], got["sources"]["creatinine"]) == (None, "missing")


def test_another_patient_s_observations_do_not_count(clinician, patient):
    one, two = patient(), patient()
    observe(clinician, one, kappa=1.5)
    reply = ask(clinician, two, inputs={k: v for k, v in data.FLCHAIN.items() if k != "kappa"})
    problem(reply, "missing-features", contains={"/inputs/kappa"})


def measured_only() -> dict:
    return {k: v for k, v in data.FLCHAIN.items() if k not in ("age", "sex")}


def import_history(clinician, made: dict, count: int, code: str = "creatinine") -> list[float]:
    """Back-dated values, entered in an order that says nothing about their time."""
    path = f"/v1/patients/{made['id']}/observations"
    values = [round(1 + k / 10000, 4) for k in range(count)]
    start = datetime(2001, 1, 1, tzinfo=UTC)
    days = list(range(count))
    random.Random(count).shuffle(days)

    def enter(k: int) -> None:
        at = (start + timedelta(minutes=days[k])).isoformat()
        clinician.made(path, {"code": code, "value": values[k], "effective_at": at})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(count)))
    return values


@pytest.mark.parametrize("count", [99, 100, 101, 250])
def test_imported_history_does_not_hide_a_newer_value(clinician, patient, predict, count):
    made = patient(birth_date="1948-03-09", sex="male")
    observe(clinician, made, **measured_only() | {"creatinine": 7.5})
    import_history(clinician, made, count)
    got = predict(FLCHAIN, {}, made["id"])
    assert (got["inputs"]["creatinine"], got["sources"]["creatinine"]) == (7.5, "observation")
    assert got["inputs"] == measured_only() | {"creatinine": 7.5, "sex": 1} | {
        "age": age_today("1948-03-09")
    }


def test_two_long_histories_are_both_read_to_their_ends(clinician, patient, predict):
    made = patient(birth_date="1948-03-09", sex="male")
    observe(clinician, made, **measured_only() | {"creatinine": 7.5, "kappa": 8.5})
    import_history(clinician, made, 120)
    import_history(clinician, made, 220, code="flc_kappa")
    got = predict(FLCHAIN, {}, made["id"])["inputs"]
    assert (got["creatinine"], got["kappa"]) == (7.5, 8.5)
    assert got["lambda"] == data.FLCHAIN["lambda"]


def test_of_two_at_the_same_time_the_one_entered_last_counts(clinician, patient, predict):
    made = patient(birth_date="1948-03-09", sex="male")
    observe(clinician, made, **{k: v for k, v in measured_only().items() if k != "creatinine"})
    path = f"/v1/patients/{made['id']}/observations"
    at = "2020-01-31T08:00:00Z"
    for value in (1.5, 2.5):
        clinician.made(path, {"code": "creatinine", "value": value, "effective_at": at})
    import_history(clinician, made, 130)
    assert predict(FLCHAIN, {}, made["id"])["inputs"]["creatinine"] == 2.5


def test_statements_of_a_prediction(anonymous, clinician):
    """One when the request says all; the record, its observations and the row else."""
    with clinician.twin() as api:  # one connection, one worker, which has the key
        made = api.made("/v1/patients", data.patient(birth_date="1948-03-09", sex="male"))
        observe(api, made, **measured_only())

        def ask_for(inputs: dict) -> int:
            body = {"patient_id": made["id"], "model": FLCHAIN, "inputs": inputs}
            return statements(anonymous, lambda: api.made(PREDICTIONS, body))

        assert ask_for(data.FLCHAIN) == 1
        assert ask_for({}) == 3
        import_history(api, made, 99)
        assert ask_for({}) == 4  # 100 of one code: is there one more?


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_history_too_long_to_read_is_no_score(instance, clinician, patient):
    made = patient(birth_date="1948-03-09", sex="male")
    observe(clinician, made, **measured_only())
    import_history(clinician, made, 20_100)
    reply = ask(clinician, made, inputs={})
    problem(reply, "validation-failed", {"/inputs/creatinine"})
    assert audit_of(instance, reply)[-1]["outcome"] == "failed"
    assert ask(clinician, made, inputs={"creatinine": 1.1}).status_code == 201


# ---- refusals ------------------------------------------------------------------------


def test_features_that_may_not_be_missing_are_named(clinician, mine):
    required = {f["name"] for f in schema(FLCHAIN)["features"] if not f["nullable"]}
    measured = required - {"age", "sex"}
    reply = ask(clinician, mine, inputs={})
    problem(reply, "missing-features", {f"/inputs/{n}" for n in measured})
    reply = ask(clinician, mine, inputs=data.FLCHAIN | {"kappa": None, "age": None})
    problem(reply, "missing-features", {"/inputs/kappa", "/inputs/age"})
    reply = ask(clinician, mine, model=WDBC, inputs={})
    problem(reply, "missing-features", {f"/inputs/{n}" for n in features(WDBC)})


def test_a_patient_without_a_usable_sex_lacks_that_feature(clinician, patient):
    made = patient(sex="unknown")
    reply = ask(clinician, made, inputs={k: v for k, v in data.FLCHAIN.items() if k != "sex"})
    problem(reply, "missing-features", {"/inputs/sex"})


@pytest.mark.parametrize(
    ("inputs", "pointers"),
    [
        ({"colour": 1}, {"/inputs/colour"}),
        ({"Kappa": 1}, {"/inputs/Kappa"}),
        ({"": 1}, {"/inputs/"}),
        ({"kappa": -0.1}, {"/inputs/kappa"}),
        ({"kappa": 1000.5}, {"/inputs/kappa"}),
        ({"kappa": 1e308}, {"/inputs/kappa"}),
        ({"sex": 2}, {"/inputs/sex"}),
        ({"sex": 0.5}, {"/inputs/sex"}),
        ({"mgus": 0.5}, {"/inputs/mgus"}),
        ({"flc_grp": 2.5}, {"/inputs/flc_grp"}),
        ({"flc_grp": 11}, {"/inputs/flc_grp"}),
        ({"age": 12}, {"/inputs/age"}),
        ({"kappa": "1"}, {"/inputs/kappa"}),
        ({"kappa": True}, {"/inputs/kappa"}),
        ({"kappa": []}, {"/inputs/kappa"}),
        ({"sex": True}, {"/inputs/sex"}),
        ({"sex": "Male"}, {"/inputs/sex"}),
        ({"sex": "other"}, {"/inputs/sex"}),
        ({"sex": "0"}, {"/inputs/sex"}),
        ({"sex": ""}, {"/inputs/sex"}),
        ({"sex": "male\0"}, {"/inputs/sex"}),
        ({"sex": "m" * 65}, {"/inputs/sex"}),
        ({"mgus": "true"}, {"/inputs/mgus"}),
        ({"age": True}, {"/inputs/age"}),
        ({"kappa": -1, "lambda": 5000, "x": 0}, {"/inputs/kappa", "/inputs/lambda", "/inputs/x"}),
    ],
)
def test_inputs_are_checked(clinician, mine, inputs, pointers):
    reply = ask(clinician, mine, inputs=data.FLCHAIN | inputs)
    problem(reply, "validation-failed", pointers)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"sex": "female", "mgus": False}, {"sex": 0, "mgus": 0}),
        ({"sex": "male", "mgus": True}, {"sex": 1, "mgus": 1}),
        ({"sex": "male", "mgus": 1}, {"sex": 1, "mgus": 1}),
        ({"mgus": True}, {"mgus": 1}),
    ],
)
def test_booleans_and_categories_may_be_named(clinician, predict, given, stored):
    """They count as the numbers that they stand for, which is what is kept."""
    named, counted = (predict(FLCHAIN, data.FLCHAIN | more) for more in (given, stored))
    assert named["inputs"] == counted["inputs"] == data.FLCHAIN | stored
    assert not [name for name, value in named["inputs"].items() if isinstance(value, bool)]
    assert named["probability"] == counted["probability"]
    assert {named["sources"][name] for name in given} == {"request"}
    assert clinician.get(f"/v1/predictions/{named['id']}").json() == named


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"model": "none-such"}, {"/model"}),
        ({"model": ""}, {"/model"}),
        ({"model": "../" + FLCHAIN}, {"/model"}),
        ({"model": FLCHAIN.upper()}, {"/model"}),
        ({"model": 1}, {"/model"}),
        ({"model_version": "9.9.9"}, {"/model_version"}),
        ({"model_version": 1}, {"/model_version"}),
        ({"patient_id": "x"}, {"/patient_id"}),
        ({"patient_id": 5}, {"/patient_id"}),
        ({"patient_id": None}, {"/patient_id"}),
        ({"inputs": []}, {"/inputs"}),
        ({"inputs": "x"}, {"/inputs"}),
        ({"probability": 0.5}, {"/probability"}),
    ],
)
def test_the_request_is_checked(clinician, mine, changes, pointers):
    problem(ask(clinician, mine, **changes), "validation-failed", pointers)


def test_a_version_may_be_named(predict):
    version = MODELS[FLCHAIN].name
    made = predict(FLCHAIN, data.FLCHAIN, model_version=version)
    assert made["model"]["version"] == version


def test_an_unknown_patient_is_not_found(instance, clinician, other_clinician, mine):
    problem(ask(clinician, {"id": str(data.uuid7())}), "not-found")
    reply = ask(other_clinician, mine)
    problem(reply, "not-found")
    rows = audit_of(instance, reply)
    assert rows
    assert rows[-1]["outcome"] == "denied"
    assert mine["id"] in str(rows[-1])


def test_anothers_prediction_does_not_exist(instance, predict, clinician, other_clinician):
    made = predict(FLCHAIN, data.FLCHAIN)
    reply = other_clinician.get(f"{PREDICTIONS}/{made['id']}")
    problem(reply, "not-found")
    assert audit_of(instance, reply)[-1]["outcome"] == "denied"
    problem(clinician.get(f"{PREDICTIONS}/{data.uuid7()}"), "not-found")


# ---- audit --------------------------------------------------------------------------------


def test_a_prediction_and_its_reading_are_in_the_audit_log(instance, clinician, mine):
    reply = ask(clinician, mine)
    made = reply.json()
    row = audit_row(instance, reply, "prediction.create")
    assert str(row["id"]) == made["audit_event_id"]
    assert (row["object_type"], str(row["object_id"])) == ("prediction", made["id"])
    assert str(row["actor_id"]) == clinician.user["id"]
    assert mine["id"] in str(row["detail"])
    assert str(made["probability"]) not in str(row["detail"])
    row = audit_row(instance, clinician.get(f"{PREDICTIONS}/{made['id']}"), "prediction.read")
    assert (row["object_type"], str(row["object_id"])) == ("prediction", made["id"])


def test_a_refused_prediction_leaves_no_allowed_row(instance, clinician, mine):
    reply = ask(clinician, mine, inputs={})
    problem(reply, "missing-features")
    assert not [r for r in audit_of(instance, reply) if r["outcome"] == "allowed"]
