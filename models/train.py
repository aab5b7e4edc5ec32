#!/usr/bin/env python3
"""Train the models that Eleusis ships and measure them on held-out rows.

    python models/train.py [--out DIR] [NAME ...]

Writes DIR/<name>/<version>/{model.json, schema.json, card.md, metrics.json,
calibration.png, heldout.csv}; DIR is the folder of this script by default.
Hyperparameters and the number of trees come from cross-validation inside the
training part; the held-out part is looked at once, by the final model. One
seed and one thread: with the versions of requirements.txt a second run writes
the same model.json, byte for byte.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import report
import xgboost as xgb
from catalogue import SPECS, Dataset, Spec
from sklearn.model_selection import StratifiedKFold, train_test_split

SEED = 20240229
HELDOUT_SHARE = 0.3
FOLDS = 5
MAX_TREES = 200
PATIENCE = 20
BASE_PARAMS = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "tree_method": "hist",
    "eta": 0.06,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "seed": SEED,
    "nthread": 1,
}


def matrix(spec: Spec, data: Dataset, rows: np.ndarray, labelled: bool = True) -> xgb.DMatrix:
    return xgb.DMatrix(
        data.inputs.to_numpy()[rows],
        label=data.label[rows] if labelled else None,
        feature_names=[f.name for f in spec.features],
        nthread=1,
    )


def cross_validate(spec: Spec, data: Dataset, train: np.ndarray, params: dict) -> dict:
    """Out-of-fold log loss per number of trees; the best number wins."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    curves, margins = [], []
    for fit, check in folds.split(train, data.label[train]):
        fit_m, check_m = (matrix(spec, data, train[part]) for part in (fit, check))
        seen: dict = {}
        booster = xgb.train(
            params,
            fit_m,
            MAX_TREES,
            evals=[(check_m, "fold")],
            evals_result=seen,
            verbose_eval=False,
        )
        curves.append(seen["fold"]["logloss"])
        margins.append((check, check_m, booster))
    mean = np.mean(curves, axis=0)
    trees = stop_early(mean)
    oof = np.empty(len(train))
    for check, check_m, booster in margins:
        oof[check] = booster.predict(check_m, iteration_range=(0, trees))
    return {"trees": trees, "logloss": float(mean[trees - 1]), "oof": oof}


def stop_early(curve: np.ndarray) -> int:
    """Number of trees at the minimum before PATIENCE rounds without gain."""
    best = 0
    for k, loss in enumerate(curve):
        if loss < curve[best]:
            best = k
        elif k - best >= PATIENCE:
            break
    return best + 1


def choose(spec: Spec, data: Dataset, train: np.ndarray) -> tuple[dict, dict, list[dict]]:
    tried, best = [], None
    for extra in spec.grid:
        result = cross_validate(spec, data, train, BASE_PARAMS | extra)
        tried.append(extra | {"trees": result["trees"], "cv_logloss": result["logloss"]})
        if best is None or result["logloss"] < best[1]["logloss"]:
            best = (extra, result)
    return best[0], best[1], tried


def write_schema(spec: Spec, out: Path) -> None:
    schema = {
        "name": spec.name,
        "version": spec.version,
        "title": spec.title,
        "target": spec.target,
        "horizon": spec.horizon,
        "features": [f.schema() for f in spec.features],
    }
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    (out / "schema.json").write_text(text + "\n", encoding="utf-8")


def write_heldout(spec: Spec, data: Dataset, rows: np.ndarray, p: np.ndarray, out: Path) -> None:
    lines = [",".join([f.name for f in spec.features] + ["label", "probability"])]
    for row, prob in zip(rows, p, strict=True):
        cells = ["" if np.isnan(v) else f"{v:.12g}" for v in data.inputs.to_numpy()[row]]
        lines.append(",".join([*cells, str(data.label[row]), f"{prob:.9g}"]))
    (out / "heldout.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def check_limits(spec: Spec, data: Dataset) -> None:
    """Every row of the source must be enterable; missing only where nullable."""
    for f in spec.features:
        column = data.inputs[f.name]
        if column.min() < f.minimum or column.max() > f.maximum:
            raise SystemExit(f"{spec.name}: {f.name} exceeds its limits")
        if column.isna().any() != f.nullable:
            raise SystemExit(f"{spec.name}: {f.name}: nullable does not fit the data")


def build(spec: Spec, root: Path) -> None:
    data = spec.load()
    check_limits(spec, data)
    out = root / spec.name / spec.version
    out.mkdir(parents=True, exist_ok=True)
    train, held = train_test_split(
        np.arange(len(data.label)),
        test_size=HELDOUT_SHARE,
        stratify=data.label,
        random_state=SEED,
    )
    extra, cv, tried = choose(spec, data, train)
    booster = xgb.train(BASE_PARAMS | extra, matrix(spec, data, train), cv["trees"])
    booster.save_model(out / "model.json")
    p = booster.predict(matrix(spec, data, held, labelled=False))
    write_schema(spec, out)
    write_heldout(spec, data, held, p, out)
    run = {
        "seed": SEED,
        "params": BASE_PARAMS | extra | {"trees": cv["trees"]},
        "cross_validation": tried,
        "importance": booster.get_score(importance_type="total_gain"),
        "oof": (data.label[train], cv["oof"]),
    }
    report.write(spec, data, train, held, p, run, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to build (all)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    known = [s.name for s in SPECS]
    for name in args.names:
        if name not in known:
            parser.error(f"no model {name}; there are: {', '.join(known)}")
    for spec in SPECS:
        if not args.names or spec.name in args.names:
            build(spec, args.out)


if __name__ == "__main__":
    main()
