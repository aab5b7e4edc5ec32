"""Fuzz targets, for a few seconds each on top of their seeds: what crashes now must not come back.

Longer runs are by hand: `make fuzz`, then build-asan/fuzz/NAME -max_total_time=600.
"""

import shutil
import subprocess

import pytest
from lib.tables import ROOT

SECONDS = 4


@pytest.mark.parametrize("target", ["fuzz_gate", "fuzz_webauthn"])
def test_fuzz(target, tmp_path):
    if not shutil.which("clang"):
        pytest.skip("no clang")
    program = ROOT / "build-asan/fuzz" / target
    made = subprocess.run(
        ["make", str(program.relative_to(ROOT))], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr[-3000:]
    seeds = ROOT / "tests/fuzz/corpus" / target.removeprefix("fuzz_")
    assert len(list(seeds.iterdir())) >= 5
    (tmp_path / "found").mkdir()
    done = subprocess.run(
        [program, f"-max_total_time={SECONDS}", "-seed=1", f"-artifact_prefix={tmp_path}/",
         tmp_path / "found", seeds],
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    assert "Done " in done.stderr
