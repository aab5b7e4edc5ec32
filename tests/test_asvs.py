"""docs/asvs.csv: which test proves which requirement of OWASP ASVS 5.0.

A requirement that is met names tests that exist; one that does not apply says
why; none of level 1 or 2 is open.
"""

import ast
import csv
import functools

import pytest
from lib.tables import ROOT

FILE = ROOT / "docs" / "asvs.csv"
CHAPTERS = {"V6": 47, "V7": 19, "V8": 13, "V9": 7, "V10": 36}
STATUS = {"met", "n/a", "open"}


def rows() -> list[dict]:
    with FILE.open(newline="") as f:
        return list(csv.DictReader(f))


@functools.cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_requirement_of_the_chapters_has_a_row():
    ids = [row["id"] for row in rows()]
    assert len(ids) == len(set(ids))
    count = dict.fromkeys(CHAPTERS, 0)
    for one in ids:
        count[one.split(".")[0]] += 1
    assert count == CHAPTERS


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_a_row_says_what_proves_it(row):
    assert row["status"] in STATUS
    assert row["level"] in {"1", "2", "3"}
    assert row["status"] != "open" or row["level"] == "3", "open, though of level 1 or 2"
    if row["status"] == "met":
        assert row["where"], "met, but by which test?"
    else:
        assert row["note"], "not met: why?"
    for name in filter(None, (one.strip() for one in row["where"].split(";"))):
        path, _, test = name.partition("::")
        assert (ROOT / path).exists(), name
        if path.endswith(".py"):
            assert test in names_in(path), name
