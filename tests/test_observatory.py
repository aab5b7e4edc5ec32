"""The headers as MDN's HTTP Observatory grades them: A+, and no test failed."""

import json
import os
import subprocess
from urllib.parse import urlsplit

import pytest
from lib.tables import ROOT

SCANNER = ROOT / "var/observatory/node_modules/@mdn/mdn-http-observatory/src/scan.js"


@pytest.fixture(scope="module", params=["/", "/login"])
def report(instance, request):
    """What the scanner says of the API and of a page; it trusts the instance's CA."""
    done = subprocess.run(
        ["node", SCANNER, urlsplit(instance.url).netloc + request.param],
        env=os.environ | {"NODE_EXTRA_CA_CERTS": instance.ca},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_grade(report):
    assert report["scan"]["statusCode"] == 200
    assert report["scan"]["grade"] == "A+", report
    assert report["scan"]["testsFailed"] == 0
    assert report["scan"]["testsQuantity"] == report["scan"]["testsPassed"] >= 10


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("content-security-policy", "csp-implemented-with-no-unsafe-default-src-none"),
        ("strict-transport-security", "hsts-implemented-max-age-at-least-six-months"),
        ("x-content-type-options", "x-content-type-options-nosniff"),
        ("x-frame-options", "x-frame-options-implemented-via-csp"),
        ("referrer-policy", "referrer-policy-private"),
        ("cross-origin-resource-policy", "corp-implemented-with-same-origin"),
        ("cross-origin-resource-sharing", "cross-origin-resource-sharing-not-implemented"),
        ("cookies", "cookies-not-found"),
    ],
)
def test_each_part(report, name, result):
    assert report["tests"][name]["result"] == result, report["tests"][name]
    assert report["tests"][name]["pass"]
