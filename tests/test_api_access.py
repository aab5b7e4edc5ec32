"""Every example of the documents for API consumers is run, and prints what is shown there."""

import re
from pathlib import Path

import pytest
from lib import examples
from lib.tables import ROOT


def run(path: str, scratch: Path, start: Path = ROOT, **env: str) -> None:
    document = (ROOT / path).read_text()
    done = examples.run(document, path, scratch, start, **env)
    assert done == len(re.findall(r"^```(?:bash|python|javascript)$", document, re.M)) > 0


def test_access_by_example(instance, tmp_path):
    run("docs/api-access.md", tmp_path, ELEUSIS_VAR=str(instance.var))
    assert not list(tmp_path.glob("tmp.*")), "the last block leaves the reader's directory"


def test_the_python_client_by_example(instance, clinician, tmp_path):
    run(
        "clients/python/README.md", tmp_path, tmp_path,
        ELEUSIS_URL=instance.url,
        ELEUSIS_CA=instance.ca,
        ELEUSIS_EMAIL=clinician.email,
        ELEUSIS_PASSWORD=clinician.password,
    )  # fmt: skip


# pyotp in the place of the package that the document names.
APP = """\
#!/usr/bin/env python3
import sys

import pyotp

assert sys.argv[1:3] == ["--totp", "--base32"]
print(pyotp.TOTP(sys.argv[3]).now())
"""


def test_an_authenticator_app_by_example(instance, new_user, tmp_path):
    text = (ROOT / "docs/identity.md").read_text()
    (block,) = (b for b in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) if "oathtool" in b)
    app = tmp_path / "oathtool"
    app.write_text(APP)
    app.chmod(0o755)
    codes = ",\n".join(['    "\u2026"'] * 10)
    shown = (
        '{\n  "stage": "full",\n  "amr": [\n    "pwd",\n    "otp",\n    "mfa"\n  ],\n'
        f'  "recovery_codes": [\n{codes}\n  ]\n}}\n'
    )
    user = new_user("clinician")
    examples.run(
        f'```bash\nPATH="{tmp_path}:$PATH"\n{block}```\n```text\n{shown}```\n',
        "docs/identity.md", tmp_path, ROOT,
        ELEUSIS_VAR=str(instance.var), EMAIL=user.email, PASSWORD=user.password,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("```bash\nfalse\ntrue\n```\n", "line 1 failed: false"),
        ("```bash\nfalse | true\n```\n", "failed"),
        ("```bash\nif true; then\n```\n", "syntax error"),
        ("```bash\nexit 0\n```\n", "status"),
        ("```bash\necho a\n```\n", "does not show"),
        ("```bash\necho a\n```\n```text\nb\n```\n", "shows\nb\nbut bash printed\na"),
        ("```bash\necho a; echo b\n```\n```text\na\n```\n", "but bash printed"),
        ("```text\na\n```\n", "nothing printed"),
        ("```python\n# a.py\nraise SystemExit(3)\n```\n", "status 3"),
        ("```python\nprint()\n```\n", "names no file"),
        ('```javascript\n// a.mjs\nthrow new Error("x");\n```\n', "Error: x"),
        ("```javascript\n// a.mjs\nawait fetch('https://localhost:1');\n```\n", "fetch failed"),
        ("```bash\necho 1\n```\n```python\n# a.py\nprint(2)\n```\n```text\n1\n```\n", "(python)"),
        ("```sh\ntrue\n```\n", "what language"),
        ("~~~bash\nfalse\n~~~\n", "not understood"),
    ],
)  # fmt: skip
def test_broken_examples_are_found(tmp_path, document, complaint):
    with pytest.raises(AssertionError) as caught:
        examples.run(document, "a.md", tmp_path, tmp_path)
    assert complaint in str(caught.value)


def test_shapes():
    same = examples.shape('{"id":"01a20b2f-3a58-7e41-9c1f-0d5a2a6f1c55","n":3,"t":"\u2026"}')
    assert same.fullmatch('{"id":"01a20b30-3a58-7e41-9c1f-0d5a2a6f1c55","n":3,"t":"x"}')
    assert not same.fullmatch('{"id":"01a20b30-3a58-7e41-9c1f-0d5a2a6f1c55","n":4,"t":"x"}')
    assert not same.fullmatch('{"id":"7","n":3,"t":"x"}')
    assert not same.fullmatch('{"id":"01a20b30-3a58-7e41-9c1f-0d5a2a6f1c55","n":3,"t":"\n"}')
