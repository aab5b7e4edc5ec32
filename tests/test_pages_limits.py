"""The pages where the server says no, or not yet: on servers with settings of their own."""

import contextlib
import time

import pytest
from lib.people import THERE, Person

pytestmark = pytest.mark.restarts

WAIT = 3
STRICT = {
    "ELEUSIS_LOCKOUT_FREE": "1",
    "ELEUSIS_LOCKOUT_FIRST_S": str(WAIT),
    "ELEUSIS_LOCKOUT_MAX_S": str(WAIT),
    "ELEUSIS_SECOND_FACTOR_ROLES": "auditor",
}
FRESH, IDLE = 1, 5
SHORT = {"ELEUSIS_STEP_UP_S": str(FRESH), "ELEUSIS_SESSION_IDLE_BROWSER_S": str(IDLE)}


@contextlib.contextmanager
def settings(instance, **those: str):
    instance.restart(**those)
    yield
    instance.restart()


@pytest.fixture(scope="class")
def strict(instance):
    with settings(instance, **STRICT):
        yield


@pytest.fixture(scope="class")
def short(instance):
    with settings(instance, **SHORT):
        yield


@pytest.fixture
def newcomer(browser, new_user):
    """Makes a user of a role, at a browser."""
    pages = []

    def make(role: str) -> Person:
        pages.append(browser.page())
        return Person(pages[-1], new_user(role))

    yield make
    for page in pages:
        page.text()
        assert page.complaints == []
        page.close()


@pytest.mark.usefixtures("strict")
class TestStrict:
    def test_too_many_attempts(self, newcomer):
        """How long to wait is on the button, which can be pressed again after that."""
        person = newcomer("clinician")
        page, right = person.page, person.api.password
        person.api.password = "not the password"
        person.enter()
        page.sees("is not right.")
        for _ in range(5):
            person.enter("")
            page.until(
                lambda: "is not right." in page.text() or "Too many" in page.text(), "an answer"
            )
            if "Too many" in page.text():
                break
        page.sees("Too many failed attempts.")
        assert "Log in" not in page.controls()
        assert [name for name in page.controls() if name.startswith("Wait ")]
        page.fill("Password", right)
        page.click("Log in")
        page.at("/account")

    def test_a_passkey_where_the_role_needs_a_second_factor(self, newcomer):
        person = newcomer("auditor")
        person.page.authenticator()
        person.enter()
        person.page.sees("Set up a second factor")
        assert "Log out" in person.page.controls()
        person.page.goto("/account").at("/login")
        person.page.click("Add a passkey")
        person.page.at("/account")
        person.page.sees(THERE)

    def test_an_app_where_the_role_needs_a_second_factor(self, newcomer):
        person = newcomer("auditor")
        person.enter()
        person.page.sees("Set up a second factor")
        person.set_up_app()
        person.page.at("/account")
        person.page.sees("10 recovery codes left.")
        person.page.click("Remove the app")
        person.page.click("Remove")
        person.page.sees("Your role needs a second factor")


@pytest.mark.usefixtures("short")
class TestShort:
    def test_a_step_up(self, newcomer):
        """Asked for once more who it is, she goes on with what she was doing."""
        person = newcomer("clinician")
        page = person.log_in().page
        time.sleep(FRESH + 0.1)
        page.click("Set up an app")
        page.sees("Confirm that it is you")
        page.click("Cancel")
        page.sees(THERE)
        page.click("Set up an app")
        page.fill("Password", "not the password")
        page.click("Continue")
        page.sees("This password is not right.")
        page.fill("Password", person.api.password)
        page.click("Continue")
        page.sees("Type this key in")

    def test_silence_ends_the_session(self, newcomer):
        """Not without a warning; who answers it stays."""
        page = newcomer("clinician").log_in().page
        page.sees("Are you still there?")
        page.picture("idle")
        page.click("Stay logged in")
        page.sees(THERE)
        page.sees("because nothing happened for a while")
        page.goto("/account").at("/login")

    def test_a_gap_in_the_network_does_not(self, newcomer):
        page = newcomer("clinician").log_in().page
        gap = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        page.send("Network.emulateNetworkConditions", offline=True, **gap)
        end = time.monotonic() + IDLE / 2
        while time.monotonic() < end:
            page.press("Tab")
            time.sleep(0.3)
        assert THERE in page.text()
        page.send("Network.emulateNetworkConditions", offline=False, **gap)
        page.press("Tab")
        asked = "performance.getEntries().filter((e) => e.name.endsWith('/v1/me')).length"
        before = page.run(asked)
        page.until(lambda: page.run(asked) > before, "an answer")
        page.sees(THERE)

    @pytest.mark.full
    def test_activity_does_not(self, newcomer):
        page = newcomer("clinician").log_in().page
        end = time.monotonic() + IDLE + 1
        while time.monotonic() < end:
            page.press("Tab")
            time.sleep(0.5)
            assert "Are you still there?" not in page.text()
        page.sees(THERE)
