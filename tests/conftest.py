"""Fixtures of the black-box tests: one instance a run, fresh users a module.

Tests talk to real servers over real HTTPS. Every module makes its own users
and patients with random names, so that order does not matter.
"""

import json
import os
from pathlib import Path

import pytest
from lib import data, load
from lib.browser import Browser
from lib.client import Api
from lib.instance import Instance
from lib.logs import server_faults

FULL = pytest.StashKey[int]()
TEST_SECONDS = 120


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="also the long tests: scale, soak and chaos"
    )


def pytest_configure(config):
    if config.getoption("timeout", None) is None:
        config.option.timeout = TEST_SECONDS
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")
    config.addinivalue_line("markers", "full: long; only with --full")
    config.addinivalue_line("markers", "faults: a module that makes the server answer 500")
    config.addinivalue_line("markers", "restarts: ends or kills processes of the server on purpose")


def pytest_collection_modifyitems(config, items):
    """Without --full the long tests are deselected, and counted aloud."""
    if config.getoption("--full"):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    config.stash[FULL] = len(left_out)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("full")]


def pytest_terminal_summary(terminalreporter, config):
    if config.stash.get(FULL, 0):
        terminalreporter.write_line(f"{config.stash[FULL]} long tests left out: run with --full")


@pytest.fixture(scope="session")
def instance():
    """The running instance that `./dev test` prepared."""
    path = os.environ.get("ELEUSIS_TEST_ENV")
    if not path:
        pytest.exit("ELEUSIS_TEST_ENV is not set: run the tests with ./dev test", 2)
    made = Instance(Path(path))
    made.ensure_running()
    yield made
    reports = made.sanitizer_reports()
    assert not reports, reports[:20]


@pytest.fixture(scope="session")
def browser(instance):
    """One Chromium for the run; each browser.page() has cookies and storage of its own."""
    with Browser(instance) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def unharmed(request):
    """After each module: the same workers, and no request answered with 500."""
    if "instance" not in all_fixtures(request):
        yield
        return
    running = request.getfixturevalue("instance")
    running.ensure_running()
    workers, offset = running.worker_pids(), running.log_size()
    assert workers, "the server has no workers"
    yield
    marks = module_marks(request)
    faults = server_faults(running.log_lines(offset))
    if "faults" not in marks:
        assert not faults, f"answered with 500: {json.dumps(faults[:5], indent=1)}"
    if "restarts" not in marks:
        assert running.worker_pids() == workers, "a worker has died"


def all_fixtures(request) -> set[str]:
    """The names of all fixtures that the module's tests use."""
    mine = (i for i in request.session.items if i.getparent(pytest.Module) is request.node)
    return {name for item in mine for name in item.fixturenames}


def module_marks(request) -> set[str]:
    marks = getattr(request.module, "pytestmark", [])
    return {m.name for m in (marks if isinstance(marks, list) else [marks])}


# ---- users ------------------------------------------------------------------


@pytest.fixture(scope="module")
def new_user(instance):
    """Makes a user with eleusisctl; an unused Api with email and password."""
    made = []

    def make(role: str, name: str | None = None) -> Api:
        api = Api(instance)
        api.email, api.password = data.email(), data.password()
        instance.ctl(
            "user", "create", "--email", api.email,
            "--name", name or f"{data.word()} {data.word()}",
            "--role", role, "--password-file", "-",
            input=api.password + "\n",
        )  # fmt: skip
        made.append(api)
        return api

    yield make
    for api in made:
        api.close()


@pytest.fixture(scope="module")
def log_in(new_user):
    """A new user of a role, logged in."""

    def make(role: str) -> Api:
        api = new_user(role)
        return api.login(api.email, api.password)

    return make


@pytest.fixture(scope="module")
def admin(log_in):
    return log_in("admin")


@pytest.fixture(scope="module")
def clinician(log_in):
    return log_in("clinician")


@pytest.fixture(scope="module")
def other_clinician(log_in):
    return log_in("clinician")


@pytest.fixture(scope="module")
def auditor(log_in):
    return log_in("auditor")


@pytest.fixture(scope="module")
def service(log_in):
    return log_in("service")


@pytest.fixture(scope="module")
def anonymous(instance):
    with Api(instance) as api:
        yield api


@pytest.fixture(scope="module")
def patient(clinician):
    """Makes a patient of `clinician` (or of another user); its document."""

    def make(by: Api | None = None, **changes) -> dict:
        return (by or clinician).made("/v1/patients", data.patient(**changes))

    return make


@pytest.fixture
def hammer():
    """Starts load that is stopped at the end of the test at the latest."""
    running = []

    def start(work, threads: int = 4) -> load.Load:
        running.append(load.Load(work, threads))
        return running[-1].start()

    yield start
    for each in running:
        each.stop()
