"""observation_types.def and the models' schemas tell the same about an input."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "src" / "records" / "tbl" / "observation_types.def"
ROW = re.compile(
    r'^OBSERVATION\((\w+), "([^"]+)", ([-\d.]+), ([-\d.]+), (\d+), "([^"]*)", "([^"]+)"\)$'
)


def table() -> dict[str, dict]:
    rows = {}
    for line in TABLE.read_text().splitlines():
        if not line.startswith("OBSERVATION"):
            continue
        found = ROW.match(line)
        assert found, line
        code, unit, low, high, decimals, loinc, title = found.groups()
        assert code not in rows, f"{code} occurs twice"
        rows[code] = {
            "unit": unit,
            "minimum": float(low),
            "maximum": float(high),
            "decimals": int(decimals),
            "loinc": loinc,
            "title": title,
        }
    return rows


def model_inputs() -> list:
    found = []
    for path in sorted(ROOT.glob("models/*/*/schema.json")):
        for feature in json.loads(path.read_text())["features"]:
            if feature["source"] == "observation":
                name = f"{path.parent.parent.name}-{feature['name']}"
                found.append(pytest.param(feature, path.parent, id=name))
    return found


def decimals_of(text: str) -> int:
    return len(text.partition(".")[2])


@pytest.mark.parametrize(("feature", "model_dir"), model_inputs())
def test_model_input_is_a_row_of_the_table(feature, model_dir):
    row = table()[feature["code"]]
    for member in ("unit", "minimum", "maximum"):
        assert row[member] == feature[member]
    if feature["type"] != "number":
        assert row["decimals"] == 0
    lines = [line.split(",") for line in (model_dir / "heldout.csv").read_text().splitlines()]
    column = lines[0].index(feature["name"])
    assert max(decimals_of(line[column]) for line in lines[1:]) <= row["decimals"]


def test_rows_are_sane():
    rows = table()
    assert len(rows) > 50
    for code, row in rows.items():
        assert row["minimum"] < row["maximum"], code
    loinc = [row["loinc"] for row in rows.values() if row["loinc"]]
    assert len(loinc) == len(set(loinc))


def test_loinc_check_digits():
    """The last digit of a LOINC code is a mod-10 (Luhn) check digit."""
    for code, row in table().items():
        if not row["loinc"]:
            continue
        number, check = row["loinc"].split("-")
        total = 0
        for place, digit in enumerate(reversed(number)):
            value = int(digit) * (2 if place % 2 == 0 else 1)
            total += value - 9 if value > 9 else value
        assert (10 - total % 10) % 10 == int(check), code
