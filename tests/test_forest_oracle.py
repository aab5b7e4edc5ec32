"""The server's forest engine against the xgboost package, its oracle.

`forest_score` (tests/tools/forest_score.c) is the engine of the server behind
a small command line. Every row must come out within 1e-6 of what the package
predicts from the same model.json; margins are held to a tighter bound.
"""

import csv
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / os.environ.get("ELEUSIS_BUILD", "build") / "forest_score"
SHIPPED = sorted(path.parent for path in ROOT.glob("models/*/*/model.json"))
OLD_FORMAT = ROOT / "tests" / "data" / "forest-xgboost-1.7"
BOUND = 1e-6
EVERY_MODEL = pytest.mark.parametrize(
    "model_dir",
    [pytest.param(d, id=d.parent.name) for d in SHIPPED]
    + [pytest.param(OLD_FORMAT, id=OLD_FORMAT.name)],
)
RANDOM_ROWS = 2000


def rows_to_csv(rows: np.ndarray) -> str:
    return "".join(
        ",".join("" if np.isnan(v) else repr(float(v)) for v in row) + "\n" for row in rows
    )


def score(model_dir: Path, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    done = subprocess.run(
        [TOOL, model_dir],
        input=rows_to_csv(rows),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out = np.array([line.split(",") for line in done.stdout.splitlines()], dtype=float)
    assert out.shape == (len(rows), 2)
    return out[:, 0], out[:, 1]


def oracle(model_dir: Path, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    booster = xgb.Booster(params={"nthread": 1}, model_file=model_dir / "model.json")
    matrix = xgb.DMatrix(rows, feature_names=booster.feature_names, nthread=1)
    return booster.predict(matrix), booster.predict(matrix, output_margin=True)


def assert_equal(model_dir: Path, rows: np.ndarray) -> None:
    p, margin = score(model_dir, rows)
    want_p, want_margin = oracle(model_dir, rows)
    assert np.abs(p - want_p).max() <= BOUND
    assert np.abs(margin - want_margin).max() <= BOUND * max(1.0, np.abs(want_margin).max())


def read_heldout(model_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    nfeatures = len(json.loads((model_dir / "schema.json").read_text())["features"])
    with open(model_dir / "heldout.csv", newline="") as file:
        lines = list(csv.reader(file))[1:]
    rows = np.array([[float(c) if c else np.nan for c in line[:nfeatures]] for line in lines])
    return rows, np.array([float(line[-1]) for line in lines])


def thresholds(model_dir: Path, nfeatures: int) -> list[list[float]]:
    """The split points of each feature, where a wrong comparison shows."""
    model = json.loads((model_dir / "model.json").read_text())
    found: list[list[float]] = [[] for _ in range(nfeatures)]
    for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
        for left, feature, value in zip(
            tree["left_children"], tree["split_indices"], tree["split_conditions"], strict=True
        ):
            if left != -1:
                found[feature].append(value)
    return found


def random_rows(model_dir: Path, seed: int) -> np.ndarray:
    """Around, between and exactly on split points; a fifth is missing."""
    rng = np.random.default_rng(seed)
    heldout, _ = read_heldout(model_dir)
    columns = []
    for k, points in enumerate(thresholds(model_dir, heldout.shape[1])):
        seen = heldout[:, k][~np.isnan(heldout[:, k])]
        exact = np.array(points if points else seen)
        column = np.where(
            rng.random(RANDOM_ROWS) < 0.3,
            rng.choice(exact, RANDOM_ROWS),
            rng.uniform(seen.min() - 1, seen.max() + 1, RANDOM_ROWS),
        )
        columns.append(np.where(rng.random(RANDOM_ROWS) < 0.2, np.nan, column))
    rows = np.stack(columns, axis=1)
    rows[0, :] = np.nan
    return rows.astype(np.float32)


def test_models_are_shipped():
    names = {path.parent.name for path in SHIPPED}
    assert {"flchain-mortality-5y", "wdbc-malignancy"} <= names


@EVERY_MODEL
def test_heldout_rows_equal_stored_and_package(model_dir):
    rows, stored = read_heldout(model_dir)
    p, _ = score(model_dir, rows)
    assert np.abs(p - stored).max() <= BOUND
    assert_equal(model_dir, rows)


@EVERY_MODEL
def test_random_rows_with_missing_values(model_dir):
    assert_equal(model_dir, random_rows(model_dir, seed=7))


@pytest.mark.parametrize(
    ("trees", "depth", "features", "extra"),
    [
        (1, 1, 1, {}),
        (7, 6, 3, {}),
        (8, 2, 5, {"num_parallel_tree": 2, "subsample": 0.7}),
        (37, 8, 12, {"tree_method": "exact", "base_score": 0.9}),
        (20, 0, 6, {"grow_policy": "lossguide", "max_leaves": 40}),
        (30, 5, 200, {"colsample_bynode": 0.3}),
    ],
)
def test_fresh_models_of_every_shape(tmp_path, trees, depth, features, extra):
    rng = np.random.default_rng(trees * 100 + depth)
    x = rng.normal(size=(900, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    y = (np.nan_to_num(x).sum(axis=1) + rng.normal(size=900) > 0).astype(int)
    params = {"objective": "binary:logistic", "max_depth": depth, "nthread": 1, "seed": 1}
    booster = xgb.train(params | extra, xgb.DMatrix(x, label=y), trees)
    booster.save_model(tmp_path / "model.json")
    feature = {
        "type": "number",
        "unit": "1",
        "minimum": -100,
        "maximum": 100,
        "nullable": True,
        "source": "observation",
        "description": "A random number.",
    }
    schema = {
        "name": "fresh",
        "version": "0.0.1",
        "title": "Random numbers",
        "target": "Their sum is positive.",
        "horizon": "P0D",
        "features": [feature | {"name": f"f{k}", "code": f"f{k}"} for k in range(features)],
    }
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    assert_equal(tmp_path, x)
