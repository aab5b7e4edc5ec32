"""The closed lists of the server (src/*/tbl/*.def), read by the tests.

The tests compare what the server says with these tables, so that a row that
is added without its test shows.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"

ROW = r"{macro}\(((?:[^()\"]|\"(?:[^\"\\]|\\.)*\"|\([^()]*\))*)\)"
CELL = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|([^,\"]+)")


def rows(path: str, macro: str) -> list[list[str]]:
    """Every row of a table as its cells, strings without their quotes."""
    text = re.sub(r"/\*.*?\*/", "", (SRC / path).read_text(), flags=re.S)
    found = []
    for match in re.finditer(ROW.format(macro=macro), text):
        cells = []
        for quoted, bare in CELL.findall(match.group(1)):
            value = quoted if quoted or not bare.strip() else bare.strip()
            if quoted or bare.strip():
                cells.append(value.replace('\\"', '"'))
        found.append(cells)
    assert found, f"{path} has no {macro} rows"
    return found


def version() -> str:
    """What the Makefile builds."""
    return re.search(r"^VERSION = (\S+)$", (ROOT / "Makefile").read_text(), re.M).group(1)


def problems() -> dict[str, tuple[int, str]]:
    """slug -> (status, title)."""
    return {
        slug: (int(status), title)
        for _, status, slug, title in rows("base/tbl/problems.def", "PROBLEM")
    }


def roles() -> dict[str, list[str]]:
    """role -> scopes."""
    return {name: scopes.split() for _, name, scopes in rows("auth/tbl/roles.def", "ROLE")}


def metric_families() -> set[str]:
    """The names of every metric family."""
    return {cells[2].split("{")[0] for cells in rows("obs/tbl/metrics.def", "METRIC")}


@dataclass(frozen=True)
class ObservationType:
    code: str
    unit: str
    low: float
    high: float
    decimals: int


def observation_types() -> dict[str, ObservationType]:
    """code -> its unit and limits."""
    return {
        code: ObservationType(code, unit, float(low), float(high), int(decimals))
        for code, unit, low, high, decimals, *_ in rows(
            "records/tbl/observation_types.def", "OBSERVATION"
        )
    }
