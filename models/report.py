"""Held-out metrics, calibration plot and model card of one trained model."""

import json
import platform
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import sklearn
import sksurv
import xgboost
from catalogue import Dataset, Spec
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve

BOOTSTRAPS = 2000
BLUE, GREY = "#1f5a94", "#8a8f98"


def write(
    spec: Spec,
    data: Dataset,
    train: np.ndarray,
    held: np.ndarray,
    p: np.ndarray,
    run: dict,
    out: Path,
) -> None:
    y = data.label[held]
    p = p.astype(float)
    threshold = youden(*run["oof"])
    metrics = {
        "name": spec.name,
        "version": spec.version,
        "counts": data.notes
        | {
            "training_rows": len(train),
            "training_events": int(data.label[train].sum()),
            "heldout_rows": len(held),
            "heldout_events": int(y.sum()),
            "heldout_rows_with_missing": int(data.inputs.iloc[held].isna().any(axis=1).sum()),
        },
        "heldout": scores(y, p, run["seed"]),
        "confusion": confusion(y, p, threshold),
        "calibration_bins": reliability(y, p, spec.bins),
        "subgroups": subgroups(spec, data, held, y, p, run["seed"]),
        "training": {
            "seed": run["seed"],
            "params": run["params"],
            "cross_validation": run["cross_validation"],
            "total_gain": dict(sorted(run["importance"].items(), key=lambda kv: -kv[1])),
        },
        "versions": {
            "python": ".".join(platform.python_version_tuple()[:2]),
            "xgboost": xgboost.__version__,
            "scikit-learn": sklearn.__version__,
            "scikit-survival": sksurv.__version__,
            "numpy": np.__version__,
        },
    }
    text = json.dumps(metrics, indent=2, default=float)
    (out / "metrics.json").write_text(text + "\n", encoding="utf-8")
    plot(spec, metrics, p, out / "calibration.png")
    (out / "card.md").write_text(card(spec, metrics), encoding="utf-8")


def youden(y: np.ndarray, p: np.ndarray) -> float:
    """Threshold of greatest sensitivity + specificity, out of fold."""
    fpr, tpr, cuts = roc_curve(y, p)
    return round(float(cuts[np.argmax(tpr - fpr)]), 3)


def auc_interval(y: np.ndarray, p: np.ndarray, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    values = []
    while len(values) < BOOTSTRAPS:
        pick = rng.integers(0, len(y), len(y))
        if 0 < y[pick].sum() < len(y):
            values.append(roc_auc_score(y[pick], p[pick]))
    return [float(v) for v in np.percentile(values, [2.5, 97.5])]


def calibration_line(y: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of logit P(y) on the model's logit (Cox 1958)."""
    logit = np.log(p / (1 - p)).reshape(-1, 1)
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit, y)
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def scores(y: np.ndarray, p: np.ndarray, seed: int) -> dict:
    slope, intercept = calibration_line(y, p)
    prevalence = y.mean()
    return {
        "auc": float(roc_auc_score(y, p)),
        "auc_ci95": auc_interval(y, p, seed),
        "brier": float(brier_score_loss(y, p)),
        "brier_of_prevalence": float(prevalence * (1 - prevalence)),
        "log_loss": float(log_loss(y, p)),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "observed_rate": float(prevalence),
        "mean_prediction": float(p.mean()),
    }


def confusion(y: np.ndarray, p: np.ndarray, threshold: float) -> dict:
    hit = p >= threshold
    tp, fp = int((hit & (y == 1)).sum()), int((hit & (y == 0)).sum())
    fn, tn = int((~hit & (y == 1)).sum()), int((~hit & (y == 0)).sum())
    return {
        "threshold": threshold,
        "true_positive": tp,
        "false_positive": fp,
        "false_negative": fn,
        "true_negative": tn,
        "sensitivity": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "positive_predictive_value": tp / (tp + fp),
        "negative_predictive_value": tn / (tn + fn),
    }


def wilson(hits: int, n: int) -> tuple[float, float]:
    z = 1.959964
    mid = (hits / n + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(hits * (n - hits) / n**3 + z * z / (4 * n * n))
    return max(0.0, mid - half), min(1.0, mid + half)


def reliability(y: np.ndarray, p: np.ndarray, bins: int) -> list[dict]:
    rows = []
    for part in np.array_split(np.argsort(p, kind="stable"), bins):
        hits = int(y[part].sum())
        low, high = wilson(hits, len(part))
        rows.append(
            {
                "n": len(part),
                "mean_prediction": float(p[part].mean()),
                "observed": hits / len(part),
                "low": low,
                "high": high,
            }
        )
    return rows


def subgroups(
    spec: Spec, data: Dataset, held: np.ndarray, y: np.ndarray, p: np.ndarray, seed: int
) -> list[dict]:
    x = data.inputs.iloc[held].reset_index(drop=True)
    masks = {}
    for f in spec.features:
        for label, code in f.categories.items():
            masks[f"{f.name}: {label}"] = x[f.name] == code
    for low, high in spec.age_bands:
        name = f"age: {low}-{high}" if high < 120 else f"age: {low} and over"
        masks[name] = x["age"].between(low, high)
    for f in spec.features:
        if f.nullable:
            masks[f"{f.name}: measured"] = x[f.name].notna()
            masks[f"{f.name}: missing"] = x[f.name].isna()
    rows = []
    for name, mask in masks.items():
        yy, pp = y[mask.to_numpy()], p[mask.to_numpy()]
        rows.append(
            {
                "group": name,
                "n": len(yy),
                "events": int(yy.sum()),
                "auc": float(roc_auc_score(yy, pp)),
                "auc_ci95": auc_interval(yy, pp, seed),
                "brier": float(brier_score_loss(yy, pp)),
                "observed_rate": float(yy.mean()),
                "mean_prediction": float(pp.mean()),
            }
        )
    return rows


def plot(spec: Spec, metrics: dict, p: np.ndarray, path: Path) -> None:
    plt.rcParams.update({"font.size": 10, "font.family": "DejaVu Sans"})
    fig, (top, low) = plt.subplots(
        2, 1, figsize=(6.4, 7.4), sharex=True, height_ratios=[3.2, 1], layout="constrained"
    )
    bins = metrics["calibration_bins"]
    x = np.array([b["mean_prediction"] for b in bins])
    y = np.array([b["observed"] for b in bins])
    bars = np.array([[b["observed"] - b["low"], b["high"] - b["observed"]] for b in bins]).T
    top.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="perfect calibration", zorder=1)
    top.errorbar(
        x,
        y,
        yerr=np.clip(bars, 0, None),
        color=BLUE,
        marker="o",
        ms=5,
        lw=1.5,
        elinewidth=1,
        capsize=3,
        label=f"held-out rows, {len(bins)} equal groups, 95 % interval",
        zorder=3,
    )
    h = metrics["heldout"]
    top.text(
        0.97,
        0.04,
        f"AUC {h['auc']:.3f} ({h['auc_ci95'][0]:.3f}-{h['auc_ci95'][1]:.3f})\n"
        f"Brier score {h['brier']:.4f}\n"
        f"slope {h['calibration_slope']:.2f}, intercept {h['calibration_intercept']:+.2f}\n"
        f"n = {len(p):,}",
        transform=top.transAxes,
        ha="right",
        va="bottom",
        linespacing=1.45,
    )
    top.set(ylabel="observed proportion", ylim=(-0.03, 1.03), xlim=(-0.03, 1.03))
    top.set_title(f"{spec.title}\nversion {spec.version}", fontsize=11, loc="left")
    top.legend(loc="upper left", frameon=False)
    low.hist(p, bins=np.linspace(0, 1, 41), color=BLUE, alpha=0.85)
    low.set_yscale("log")
    low.set(xlabel="predicted probability", ylabel="rows (log scale)")
    for ax in (top, low):
        ax.grid(color="#e4e6ea", lw=0.7)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(fig)


def card(spec: Spec, m: dict) -> str:
    """After Mitchell et al. 2019, Model Cards for Model Reporting."""
    h, c, k = m["heldout"], m["confusion"], m["counts"]
    params = m["training"]["params"]
    counts = "\n".join(f"| {name.replace('_', ' ')} | {n:,} |" for name, n in k.items())
    features = "\n".join(
        f"| `{f.name}` | {f.type} | {f.unit} | {f.minimum:g} to {f.maximum:g} "
        f"| {'yes' if f.nullable else 'no'} | {f.description} |"
        for f in spec.features
    )
    groups = "\n".join(
        f"| {g['group']} | {g['n']:,} | {g['events']:,} | {g['auc']:.3f} "
        f"({g['auc_ci95'][0]:.3f}-{g['auc_ci95'][1]:.3f}) | {g['brier']:.4f} "
        f"| {g['observed_rate']:.3f} | {g['mean_prediction']:.3f} |"
        for g in m["subgroups"]
    )
    if groups:
        groups = (
            "| group | rows | events | AUC (95 % CI) | Brier | observed | predicted |\n"
            "|---|---:|---:|---|---:|---:|---:|\n" + groups
        )
    else:
        groups = "The data hold neither age nor sex: there are no subgroups to compare."
    gain = m["training"]["total_gain"]
    total = sum(gain.values())
    top = ", ".join(f"`{n}` {100 * v / total:.0f} %" for n, v in list(gain.items())[:6])
    return f"""\
# {spec.title}

`{spec.name}` version {spec.version}. Written by `models/train.py`; do not edit.

**Not a medical device. Not validated for, and not to be used in, the care of patients.**

## Model

- Target: {spec.target}
- Gradient-boosted trees, XGBoost {m["versions"]["xgboost"]}, objective `binary:logistic`;
  {params["trees"]} trees of depth {params["max_depth"]} or less, learning rate {params["eta"]},
  row and column sampling {params["subsample"]}.
- Hyperparameters and number of trees: 5-fold cross-validation with early stopping inside the
  training part. Seed {m["training"]["seed"]}, one thread: a second run gives the same file.
- The output is a probability as the trees give it; no recalibration was applied.
- Share of total gain, greatest first:
  {top}.

## Intended use

{spec.prose["use"]}

Not for: {spec.prose["not"]}

## Inputs

| feature | type | unit | accepted | may be missing | meaning |
|---|---|---|---|---|---|
{features}

Only features that were missing in the training data may be missing: for any other one the
trees never learned which way to send a missing value.

## Data

{spec.prose["data"]}

| count | |
|---|---:|
{counts}

The split is random and stratified by the label, 70 % training and 30 % held out.

## Held-out results

| measure | value |
|---|---:|
| AUC (95 % bootstrap CI, 2,000 resamples) | {h["auc"]:.4f} ({h["auc_ci95"][0]:.4f}-\
{h["auc_ci95"][1]:.4f}) |
| Brier score | {h["brier"]:.5f} |
| Brier score of always answering the observed rate | {h["brier_of_prevalence"]:.5f} |
| log loss | {h["log_loss"]:.5f} |
| calibration slope (1 is ideal) | {h["calibration_slope"]:.3f} |
| calibration intercept (0 is ideal) | {h["calibration_intercept"]:+.3f} |
| observed rate | {h["observed_rate"]:.4f} |
| mean prediction | {h["mean_prediction"]:.4f} |

![Calibration plot](calibration.png)

At the threshold {c["threshold"]:g} (greatest sensitivity + specificity, out of fold, in the
training part; an illustration, not advice):

| | event | no event |
|---|---:|---:|
| at or above | {c["true_positive"]:,} | {c["false_positive"]:,} |
| below | {c["false_negative"]:,} | {c["true_negative"]:,} |

Sensitivity {c["sensitivity"]:.3f}, specificity {c["specificity"]:.3f}, positive predictive value
{c["positive_predictive_value"]:.3f}, negative predictive value \
{c["negative_predictive_value"]:.3f}.

### Subgroups

{groups}

## Limitations

{spec.prose["limits"]}

## Ethical considerations

A probability of death or of cancer can harm the person it is about if it is wrong, misread, or
read by the wrong people. Show it together with the limits told above, keep a person responsible
for every decision, and log who saw it.
"""
