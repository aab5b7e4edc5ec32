#!/usr/bin/env python3
"""Makes this directory anew; needs Python 3.11 and xgboost 1.7.6, numpy 1.26.4, scipy.

Synthetic rows: a model file as old as the forest engine reads, with missing
values and default directions both ways, and what that version predicted.
"""

import json
from pathlib import Path

import numpy as np
import xgboost as xgb

HERE = Path(__file__).resolve().parent
NAMES = [f"x{k}" for k in range(4)]


def rows(rng: np.random.Generator, n: int, missing: float) -> np.ndarray:
    x = rng.normal(size=(n, len(NAMES))).round(3)
    x[rng.random(x.shape) < missing] = np.nan
    return x


def main() -> None:
    if xgb.__version__ != "1.7.6":
        raise SystemExit("this file is about XGBoost 1.7.6")
    rng = np.random.default_rng(17)
    x = rows(rng, 600, 0.15)
    signal = np.nan_to_num(x[:, 0]) + np.isnan(x[:, 1]) - 0.5 * np.nan_to_num(x[:, 2])
    label = (signal + 0.5 * rng.normal(size=len(x)) > 0.4).astype(int)
    params = {"objective": "binary:logistic", "max_depth": 4, "base_score": 0.3, "nthread": 1}
    booster = xgb.train(params, xgb.DMatrix(x, label=label, feature_names=NAMES), 11)
    booster.save_model(HERE / "model.json")
    held = rows(rng, 60, 0.3)
    p = booster.predict(xgb.DMatrix(held, feature_names=NAMES))
    lines = [",".join([*NAMES, "label", "probability"])]
    for row, prob in zip(held, p, strict=True):
        cells = ["" if np.isnan(v) else f"{v:.12g}" for v in row]
        lines.append(",".join([*cells, "", f"{prob:.9g}"]))
    (HERE / "heldout.csv").write_text("\n".join(lines) + "\n")
    feature = {
        "type": "number",
        "unit": "1",
        "minimum": -100,
        "maximum": 100,
        "nullable": True,
        "source": "observation",
        "description": "Synthetic.",
    }
    schema = {
        "name": "forest-xgboost-1-7",
        "version": "1.7.6",
        "title": "Synthetic rows, written by XGBoost 1.7.6",
        "target": "Nothing: a test of the file format.",
        "horizon": "P0D",
        "features": [{"name": k} | feature | {"code": k} for k in NAMES],
    }
    (HERE / "schema.json").write_text(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    main()
