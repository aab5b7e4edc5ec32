"""The house: what lies where, and includes that only go down the floors."""

import re
import subprocess
from pathlib import Path

import pytest
from lib.tables import ROOT, SRC, problems, roles, rows

TOP = {
    "conf", "src", "assets", "cert", "migrations", "kore.conf", "Dockerfile", "loadtest", "tests",
    "clients", "dev", "docker-compose.yml", "docs", "patches", "models", "web", "Makefile",
    "README.md", "CHANGELOG.md", "LICENSE",
}  # fmt: skip

# Floors of the house; areas of one floor never include each other, but for
# the order among the areas of floor 5: auth may use guard, audit and httpsig,
# guard may use audit. The gate is called by Kore's header reader and uses base only.
FLOORS = {
    "base": 0,
    "loop": 1, "crypto": 1, "obs": 1,
    "io": 2, "webauthn": 2,
    "mail": 3,
    "http": 4,
    "gate": 5, "httpsig": 5, "audit": 5, "guard": 5, "auth": 5,
    "account": 6, "factor": 6, "oidc": 6, "records": 6, "predict": 6, "jobs": 6, "realtime": 6,
    "admin": 7, "ops": 7, "pages": 7,
    "app": 8,
    "ctl": 9, "jobd": 9, "keyd": 9,
}  # fmt: skip
WITHIN_FLOOR = {("auth", "guard"), ("auth", "audit"), ("auth", "httpsig"), ("guard", "audit")}
ONLY = {"gate": {"base"}}

FILE_LINES = 600
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
SOURCES = sorted(p for p in SRC.rglob("*") if p.suffix in (".c", ".h", ".def"))


def area(path: str | Path) -> str:
    return Path(path).parts[0]


def includes() -> list[tuple[str, str]]:
    """(file, included path) of every quoted include below src."""
    return [
        (str(path.relative_to(SRC)), name)
        for path in SOURCES
        for name in INCLUDE.findall(path.read_text())
    ]


def allowed(by: str, of: str) -> bool:
    if by == of:
        return True
    if by in ONLY:
        return of in ONLY[by]
    return FLOORS[of] < FLOORS[by] or (by, of) in WITHIN_FLOOR


def test_the_rule_itself():
    assert allowed("records", "auth")
    assert allowed("auth", "audit")
    assert allowed("auth", "httpsig")
    assert allowed("account", "auth")
    assert allowed("app", "gate")
    assert not allowed("audit", "auth")
    assert not allowed("httpsig", "auth")
    assert not allowed("auth", "account")
    assert not allowed("factor", "account")
    assert not allowed("records", "predict")
    assert not allowed("crypto", "loop")
    assert not allowed("base", "crypto")
    assert not allowed("gate", "http")
    assert not allowed("gate", "obs")


def test_includes_go_down_the_floors():
    wrong = [(f, name) for f, name in includes() if not allowed(area(f), area(name))]
    assert not wrong, wrong


def test_includes_are_written_from_the_root_of_src():
    found = includes()
    assert len(found) > 50
    assert not [(f, name) for f, name in found if not (SRC / name).is_file()]


def test_every_area_is_on_a_floor():
    assert {area(p.relative_to(SRC)) for p in SOURCES} <= set(FLOORS)
    assert not [p for p in SRC.iterdir() if p.is_file()]


def test_file_names_are_unique():
    names = [p.name for p in SOURCES if p.suffix == ".c"]
    assert not {n for n in names if names.count(n) > 1}


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.suffix != ".def"], ids=lambda p: str(p.relative_to(SRC))
)
def test_a_file_is_short_and_says_what_it_is_for(path):
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES
    assert text.startswith("/*\n * "), "no header comment"


def test_one_public_header_an_area():
    """area/area.h for others, at most one private one for the area itself."""
    for name in sorted({area(p.relative_to(SRC)) for p in SOURCES}):
        headers = {p.name for p in (SRC / name).rglob("*.h")}
        private = {h for h in headers if h.endswith("_priv.h")}
        assert headers - private <= {f"{name}.h"}, name
        assert len(private) <= 1, name
    wrong = [(f, n) for f, n in includes() if n.endswith("_priv.h") and area(f) != area(n)]
    assert not wrong, wrong


def test_sql_lies_in_db_files():
    """Statements are made in *_db.c, and nowhere above or below."""
    found = [
        path
        for path in SOURCES
        if path.suffix == ".c"
        and re.search(r"\b(DB_STATEMENT|PQexec\w*|PQprepare)\s*\(", path.read_text())
    ]
    assert found
    apart = {"io", "ctl"}
    wrong = [
        p for p in found if not p.stem.endswith("_db") and area(p.relative_to(SRC)) not in apart
    ]
    assert not wrong, wrong


def test_the_cores_do_not_know_kore():
    """What is unit-tested without Kore compiles without it."""
    pure = {"base", "crypto", "predict", "records", "ctl", "httpsig", "webauthn"}
    wrong = [
        p
        for p in SOURCES
        if re.search(r"#include <kore/", p.read_text()) and area(p.relative_to(SRC)) in pure
    ]
    assert not wrong, wrong


def test_the_top_level():
    assert not [name for name in TOP if not (ROOT / name).exists()]


def test_no_file_is_a_stranger():
    """What git knows at the top is what the list above names, and dot files."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    tops = {Path(name).parts[0] for name in listed}
    extra = {t for t in tops if not t.startswith(".")} - TOP
    assert extra <= {"dev.d", "docker", "ruff.toml", "package.json", "pyproject.toml"}, extra


def test_problems_are_documented_in_full():
    text = (ROOT / "docs" / "problems.md").read_text()
    for slug, (status, _) in problems().items():
        assert re.search(rf"\b{slug}\b", text), slug
        assert str(status) in text


def test_roles_and_scopes_are_documented():
    text = (ROOT / "docs" / "api.md").read_text()
    for role, scopes in roles().items():
        assert f"| `{role}` | {', '.join(f'`{s}`' for s in scopes)} |" in text
    for _, scope, meaning in rows("auth/tbl/scopes.def", "SCOPE"):
        assert f"| `{scope}` | {meaning} |" in text


def test_no_unfinished_marks():
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert not [p for p in SOURCES if words.search(p.read_text())]
