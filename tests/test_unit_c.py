"""Runs the unit tests of the C cores, one program a case.

`make unit` builds them from tests/unit; `dev test` has done so before.
"""

import os
import subprocess

import pytest
from lib.tables import ROOT

BUILD = ROOT / os.environ.get("ELEUSIS_BUILD", "build")
SOURCES = sorted((ROOT / "tests" / "unit").rglob("test_*.c"))


@pytest.mark.parametrize(
    "source",
    SOURCES,
    ids=[str(s.relative_to(ROOT / "tests/unit").with_suffix("")) for s in SOURCES],
)
def test_unit(source):
    program = BUILD / "unit" / source.relative_to(ROOT / "tests/unit").with_suffix("")
    assert program.exists(), f"{program} is not built: make unit"
    assert program.stat().st_mtime >= source.stat().st_mtime, f"{program} is older than its source"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    assert "PASSED" in done.stdout + done.stderr, "it ran no test"


def test_there_are_unit_tests():
    assert len(SOURCES) >= 8
