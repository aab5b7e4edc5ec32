"""The patients and prediction bodies that a load test goes round."""

import json
import random
from datetime import date, timedelta

from benchlib.client import ApiError, Client

# Within the ages of every model that takes one.
OLDEST = date(1935, 1, 1)
SPAN_DAYS = 35 * 365


def patient(rng: random.Random, number: int, run: str) -> dict:
    """A body of POST /v1/patients of ordinary size."""
    return {
        "given_name": f"Given{number}",
        "family_name": f"Family{rng.randrange(10**6)}",
        "birth_date": (OLDEST + timedelta(days=rng.randrange(SPAN_DAYS))).isoformat(),
        "sex": rng.choice(["female", "male"]),
        "mrn": f"B-{run}-{number}",
        "phone": f"+49 30 {rng.randrange(10**8):08d}",
        "address": f"{rng.randrange(1, 400)} Long Street, Town {rng.randrange(1000)}",
        "notes": "A note of the length that a busy clinician writes, " * 2,
    }


def make_patients(client: Client, count: int, rng: random.Random) -> list[str]:
    run = f"{rng.getrandbits(40):010x}"
    return [
        client.call("POST", "/v1/patients", patient(rng, n, run), expect=201)["id"]
        for n in range(count)
    ]


def pick_model(client: Client, name: str) -> dict:
    """The named model, else the first that the server offers."""
    models = client.call("GET", "/v1/models")["items"]
    for model in models:
        if name in ("", model["name"]):
            return model
    raise ApiError(f"no model {name!r}: the server has {[m['name'] for m in models]}")


def feature_value(feature: dict, rng: random.Random) -> float | int:
    """A value the feature allows, from the low end of wide ranges."""
    kind, low, high = feature["type"], feature["minimum"], feature["maximum"]
    if kind == "category":
        return rng.choice(list((feature.get("categories") or {"": low}).values()))
    if kind == "boolean":
        return rng.randint(0, 1)
    if kind == "integer":
        return rng.randint(int(low), int(low + (high - low) * 0.1) or int(high))
    return round(low + (high - low) * rng.uniform(0.001, 0.1), 3)


def prediction(patient_id: str, model: dict, rng: random.Random) -> dict:
    """All measurements in the body; age and sex come from the record."""
    inputs = {
        f["name"]: feature_value(f, rng)
        for f in model["features"]
        if not f.get("source", "").startswith("patient")
    }
    return {
        "patient_id": patient_id,
        "model": model["name"],
        "model_version": model["version"],
        "inputs": inputs,
    }


def prediction_lines(patients: list[str], model: dict, rng: random.Random) -> list[str]:
    return [json.dumps(prediction(p, model, rng), separators=(",", ":")) for p in patients]
