#!/usr/bin/env python3
"""Forest scoring, microseconds a row: the server's engine and libxgboost.

    python loadtest/forest_bench.py [BUILD_DIR]

Runs BUILD_DIR/forest_bench (default: build) on the held-out rows of every
model under models/, with the libxgboost of the installed xgboost package.
Exits with 1 if the engine needs more than 30 us a row or answers differently.
"""

import csv
import json
import subprocess
import sys
from array import array
from pathlib import Path

from xgboost.libpath import find_lib_path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_US = 30.0
BOUND = 1e-6


def heldout(model_dir: Path, nfeatures: int) -> bytes:
    with open(model_dir / "heldout.csv", newline="") as file:
        lines = list(csv.reader(file))[1:]
    cells = (c for line in lines for c in line[:nfeatures])
    return array("f", (float(c) if c else float("nan") for c in cells)).tobytes()


def main() -> int:
    tool = (ROOT / (sys.argv[1] if len(sys.argv) > 1 else "build") / "forest_bench").resolve()
    failed = False
    print(f"{'model':<24}{'inputs':>7}{'trees':>7}{'ours':>10}{'libxgboost':>12}{'ratio':>8}")
    for model_dir in sorted(p.parent for p in ROOT.glob("models/*/*/model.json")):
        nfeatures = len(json.loads((model_dir / "schema.json").read_text())["features"])
        model = json.loads((model_dir / "model.json").read_text())
        trees = len(model["learner"]["gradient_booster"]["model"]["trees"])
        done = subprocess.run(
            [tool, model_dir, find_lib_path()[0]],
            input=heldout(model_dir, nfeatures),
            stdout=subprocess.PIPE,
            check=True,
        )
        ours, theirs, difference = (float(v) for v in done.stdout.split())
        failed |= ours > LIMIT_US * 1000 or difference > BOUND
        print(
            f"{model_dir.parent.name:<24}{nfeatures:>7}{trees:>7}{ours / 1000:>7.3f} us"
            f"{theirs / 1000:>9.2f} us{theirs / ours:>7.0f}x"
            f"   max difference {difference:.1e}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
