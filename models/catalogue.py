"""The models that train.py builds: their data, their features, their words.

A feature's limits are those of src/records/tbl/observation_types.def (a test
holds the two together): hard limits of what may be entered, wider than what
the training data hold. Only features with missing values in the training
data are nullable, since XGBoost learns a default direction from nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sksurv.datasets import load_flchain

HORIZON_DAYS = 5 * 365.25


@dataclass(frozen=True)
class Feature:
    name: str
    type: str  # number, integer, boolean, category
    unit: str  # UCUM
    minimum: float
    maximum: float
    description: str
    source: str = "observation"
    code: str = ""
    nullable: bool = False
    categories: dict[str, int] = field(default_factory=dict)

    def schema(self) -> dict:
        row = {
            "name": self.name,
            "type": self.type,
            "unit": self.unit,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "nullable": self.nullable,
            "source": self.source,
            "description": self.description,
        }
        if self.source == "observation":
            row["code"] = self.code
        if self.type == "category":
            row["categories"] = self.categories
        return row


@dataclass(frozen=True)
class Dataset:
    inputs: pd.DataFrame
    label: np.ndarray
    notes: dict[str, int]  # counts that the card tells


@dataclass(frozen=True)
class Spec:
    name: str
    version: str
    title: str
    target: str
    horizon: str
    features: list[Feature]
    load: Callable[[], Dataset]
    grid: list[dict]
    bins: int  # equal-count bins of the calibration plot
    prose: dict[str, str]
    age_bands: list[tuple[int, int]] = field(default_factory=list)


FLCHAIN_FEATURES = [
    Feature("age", "integer", "a", 50, 120, "Age at sampling in whole years.", "patient.age"),
    Feature(
        "sex",
        "category",
        "1",
        0,
        1,
        "Sex as recorded by the study.",
        "patient.sex",
        categories={"female": 0, "male": 1},
    ),
    Feature(
        "sample_yr",
        "integer",
        "a",
        1995,
        2100,
        "Calendar year in which the blood sample was taken; the training data end in 2003.",
        code="flc_sample_year",
    ),
    Feature(
        "kappa",
        "number",
        "mg/dL",
        0,
        1000,
        "Serum free light chain, kappa portion.",
        code="flc_kappa",
    ),
    Feature(
        "lambda",
        "number",
        "mg/dL",
        0,
        1000,
        "Serum free light chain, lambda portion.",
        code="flc_lambda",
    ),
    Feature(
        "flc_grp",
        "integer",
        "1",
        1,
        10,
        "Decile group of total free light chain, as used in the original analysis.",
        code="flc_group",
    ),
    Feature(
        "creatinine",
        "number",
        "mg/dL",
        0.1,
        40,
        "Serum creatinine; missing for about one person in six of the study.",
        code="creatinine",
        nullable=True,
    ),
    Feature(
        "mgus",
        "boolean",
        "1",
        0,
        1,
        "Known monoclonal gammopathy of undetermined significance.",
        code="mgus",
    ),
]

# (name, description, unit, limit of mean, of standard error, of worst)
WDBC_MEASURES = [
    ("radius", "distance from the centre to points on the perimeter", "[arb'U]", 100, 30, 150),
    ("texture", "standard deviation of grey-scale values", "[arb'U]", 150, 30, 200),
    ("perimeter", "length of the outline", "[arb'U]", 700, 200, 1000),
    ("area", "area inside the outline", "[arb'U]", 10000, 3000, 20000),
    ("smoothness", "local variation in radius lengths", "1", 1, 1, 1),
    ("compactness", "perimeter^2 / area - 1.0", "1", 2, 1, 5),
    ("concavity", "severity of concave portions of the outline", "1", 2, 2, 5),
    ("concave_points", "number of concave portions of the outline", "1", 1, 1, 1),
    ("symmetry", "difference in lengths perpendicular to the major axis", "1", 1, 1, 2),
    ("fractal_dimension", "coastline approximation - 1", "1", 1, 1, 1),
]
WDBC_STATISTICS = [
    ("mean", "mean over the nuclei of the image"),
    ("se", "standard error over the nuclei of the image"),
    ("worst", "mean of the three largest values in the image"),
]


def wdbc_features() -> list[Feature]:
    """In the order of scikit-learn's columns: means, errors, worst values."""
    rows = []
    for k, (stat, stat_text) in enumerate(WDBC_STATISTICS):
        for name, text, unit, *limits in WDBC_MEASURES:
            full = f"{name}_{stat}"
            description = f"Cell nuclei: {text}; {stat_text}."
            rows.append(
                Feature(full, "number", unit, 0, limits[k], description, code=f"wdbc_{full}")
            )
    return rows


def load_flchain_5y() -> Dataset:
    """Alive or dead 5 years after sampling. `chapter` (the cause of death) is
    known only of the dead and is never an input."""
    x, y = load_flchain()
    days, dead = y["futime"], y["death"].astype(bool)
    event = dead & (days <= HORIZON_DAYS)
    unknown = ~dead & (days < HORIZON_DAYS)
    inputs = pd.DataFrame(
        {
            "age": x["age"].astype(float),
            "sex": x["sex"].astype(str).map({"F": 0.0, "M": 1.0}),
            "sample_yr": x["sample.yr"].astype(str).astype(float),
            "kappa": x["kappa"].astype(float),
            "lambda": x["lambda"].astype(float),
            "flc_grp": x["flc.grp"].astype(str).astype(float),
            "creatinine": x["creatinine"].astype(float),
            "mgus": x["mgus"].astype(str).map({"no": 0.0, "yes": 1.0}),
        }
    )
    notes = {
        "people_in_source": len(inputs),
        "excluded_censored_before_horizon": int(unknown.sum()),
        "dead_on_day_of_sampling": int((event & (days == 0)).sum()),
    }
    keep = ~unknown
    inputs = inputs.round(4)  # the source has 0.18799999999999 and its like
    return Dataset(inputs[keep].reset_index(drop=True), event[keep].astype(int), notes)


def load_wdbc() -> Dataset:
    """scikit-learn codes benign as 1; here malignant is 1."""
    raw = load_breast_cancer()
    inputs = pd.DataFrame(raw.data, columns=[f.name for f in wdbc_features()])
    label = (raw.target == list(raw.target_names).index("malignant")).astype(int)
    return Dataset(inputs, label, {"masses_in_source": len(inputs)})


FLCHAIN_PROSE = {
    "use": """\
To demonstrate and test the serving of a risk model: estimates the probability that a person aged
50 or more dies, of any cause, within five years of the blood sample. Suited to teaching, software
tests and load tests.""",
    "not": """\
Decisions about real people of any kind: care, triage, insurance, employment. People under 50,
hospital in-patients, people with a known plasma cell disorder other than MGUS, other assays than
the one of the study.""",
    "data": """\
A stratified random half of the study of serum free light chains and mortality among residents of
Olmsted County, Minnesota, aged 50 or more (samples 1995-2003). Published as `flchain` in the R
package *survival* (licence LGPL-2 or later), from there in the Python package scikit-survival
(licence GPL-3.0-or-later), from which it was loaded. Neither package states a licence for the data
apart from its own.

- Dispenzieri A, Katzmann JA, Kyle RA, et al. Use of nonclonal serum immunoglobulin free light
  chains to predict overall survival in the general population. *Mayo Clin Proc* 2012;87(6):517-523.
  doi:10.1016/j.mayocp.2012.03.009
- Kyle RA, Therneau TM, Rajkumar SV, et al. Prevalence of monoclonal gammopathy of undetermined
  significance. *N Engl J Med* 2006;354:1362-1369.""",
    "limits": """\
- One county, one period, mostly people of European descent; sampled when they visited a clinic.
  Mortality has changed since.
- People lost to follow-up before five years are excluded, not weighted: with censoring this rare
  the effect is small, but it is not nil.
- `sample_yr` carries how people were recruited, not biology; for years after 2003 every tree
  treats the sample as one of the latest of the study.
- Creatinine was measured when a clinician asked for it: that it is missing is itself
  informative, and the model uses that. Where ordering habits differ, so will the errors.
- `chapter` (the cause of death) is never used: it is known only of the dead.
- The intervals below tell sampling error of the held-out part alone. Nothing here was validated
  on people from elsewhere.""",
}
WDBC_PROSE = {
    "use": """\
To demonstrate and test the serving of a model with many inputs: estimates the probability that a
breast mass is malignant from measurements of cell nuclei in the digitised image of a fine needle
aspirate. Suited to teaching, software tests and load tests.""",
    "not": """\
Diagnosis, or any decision about real people. Images taken, stained, scanned or outlined in
another way than those of the source.""",
    "data": """\
Breast Cancer Wisconsin (Diagnostic), UCI Machine Learning Repository, 1995, licence CC BY 4.0,
doi:10.24432/C5DW2B; loaded from the copy in scikit-learn (licence BSD-3-Clause). Changes made:
columns renamed, the label coded malignant = 1, rows split.

- Wolberg WH, Mangasarian OL, Street WN. Breast Cancer Wisconsin (Diagnostic). UCI Machine Learning
  Repository, 1995.
- Street WN, Wolberg WH, Mangasarian OL. Nuclear feature extraction for breast tumor diagnosis.
  *Proc SPIE* 1993;1905:861-870.""",
    "limits": """\
- 569 masses from one hospital around 1990; outlines were drawn with the help of one program, and
  the data hold neither age nor sex, so subgroups cannot be looked at.
- The share of malignant masses is that of a referral clinic; elsewhere the probabilities are off.
- The held-out part is small: read the intervals, not the point figures, and take the calibration
  slope with care, for the classes are almost separable.
- Units of length and area are those of the original image analysis; the source does not state
  them.""",
}

SPECS = [
    Spec(
        name="flchain-mortality-5y",
        version="1.0.0",
        title="Five-year mortality from serum free light chains (FLChain)",
        target="Death of any cause within five years of the blood sample.",
        horizon="P5Y",
        features=FLCHAIN_FEATURES,
        load=load_flchain_5y,
        grid=[
            {"max_depth": d, "min_child_weight": w, "reg_lambda": 2.0}
            for d in (2, 3, 4)
            for w in (5.0, 20.0)
        ],
        bins=10,
        prose=FLCHAIN_PROSE,
        age_bands=[(50, 59), (60, 69), (70, 79), (80, 120)],
    ),
    Spec(
        name="wdbc-malignancy",
        version="1.0.0",
        title="Malignancy of a breast mass from nuclear features (WDBC)",
        target="The mass is malignant.",
        horizon="P0D",
        features=wdbc_features(),
        load=load_wdbc,
        grid=[
            {"max_depth": d, "min_child_weight": w, "reg_lambda": 1.0}
            for d in (2, 3, 4)
            for w in (1.0, 3.0)
        ],
        bins=5,
        prose=WDBC_PROSE,
    ),
]
