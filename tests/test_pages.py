"""The pages in Chromium, as people use them: logging in, second factors, links by mail, sessions.

tests/test_pages_limits.py has what takes other settings.
"""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from lib import data
from lib.accounts import FORGOTTEN, INVITED, account
from lib.browser import NARROW, WIDE, Browser, Page
from lib.client import Api
from lib.db import connect
from lib.mail import mails, wait_mail
from lib.people import THERE, Person, accessibility, shown_qr
from lib.totp import forget_steps

COOKIE = "__Host-eleusis"
TOO_SHORT = "too-short"


@pytest.fixture
def open_page(browser):
    """Pages that must not have done anything against their policy at the end."""
    pages = []

    def make(path: str | None = None, **more) -> Page:
        pages.append(browser.page(path, **more))
        return pages[-1]

    yield make
    for page in pages:
        page.text()  # events that are on their way
        assert page.complaints == []
        assert page.storage() == {}
        page.close()


@pytest.fixture(scope="module")
def user(new_user):
    """Nobody changes this one's account."""
    return new_user("clinician", "Ada Example")


@pytest.fixture
def person(open_page, user):
    return Person(open_page(), user)


@pytest.fixture
def newcomer(open_page, new_user):
    """With an account of her own to change."""
    return Person(open_page(), new_user("clinician"))


def secrets_in(page: Page, *secrets: str) -> list[str]:
    """Where any of them is, or was, in an address or in what the browser keeps."""
    places = [page.address, *page.run("performance.getEntries().map((e) => e.name)")]
    history = page.send("Page.getNavigationHistory")["entries"]
    places += [entry["url"] for entry in history] + [str(page.storage())]
    return [place for place in places if any(secret in place for secret in secrets)]


# ---- logging in and out -----------------------------------------------------------------


def test_log_in_and_out(person, user):
    person.log_in()
    page = person.page
    assert user.email in page.text()
    cookie = page.cookies()[COOKIE]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert not secrets_in(page, user.password, cookie["value"])
    assert page.run("document.cookie") == ""
    person.log_out()
    assert COOKIE not in page.cookies()
    page.goto("/account")
    page.at("/login")


def test_a_wrong_password_tells_nothing(person, user):
    page = person.page.goto("/login")
    said = []
    for email in (user.email, data.email()):
        page.fill("E-mail address", email)
        page.fill("Password", "not the password")
        page.click("Log in")
        page.sees("is not right.")
        said.append(page.text())
        page.reload()
    assert said[0] == said[1]


def test_who_just_comes_by_is_not_refused(open_page):
    """Nor counted as such: the page asks for nothing that needs a session."""
    page = open_page("/login")
    page.until(page.fields, "the form")
    page.until(lambda: page.run("document.readyState") == "complete", "the page")
    assert page.refused == []


def test_what_is_missing_is_said_at_its_field(person):
    page = person.page.goto("/login")
    page.click("Log in")
    page.sees("Enter your e-mail address.")
    page.sees("Enter your password.")
    assert page.focused() == "E-mail address"
    described = page.run("document.activeElement.getAttribute('aria-describedby')").split()
    assert page.run("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert page.run("(id) => document.getElementById(id).ariaLive", described[0]) == "polite"


def test_with_the_keyboard_alone(person, user):
    page = person.page.goto("/login")
    page.until(lambda: page.focused() == "E-mail address", "the focus")
    page.send("Input.insertText", text=user.email)
    page.press("Tab")
    page.send("Input.insertText", text=user.password)
    page.press("Tab")
    assert page.focused() == "Show password"
    page.press(" ")
    assert page.run("document.querySelector('[name=password]').type") == "text"
    page.press("Tab")
    assert page.focused() == "Log in"
    page.press("Enter")
    page.at("/account")


FORMS = {
    "/login": [["email", "username webauthn"], ["password", "current-password"]],
    "/reset": [["email", "username"]],
    "/reset#token=x": [["password", "new-password"]],
    "/invite#token=x": [["password", "new-password"]],
}


@pytest.mark.parametrize("path", [path for path in FORMS if "token" in path or path == "/login"])
def test_passwords_are_masked(person, path):
    """Until their owner wants to see what she typed."""
    page = person.page.goto(path)
    label = page.until(lambda: [f for f in page.fields() if "assword" in f], "the field")[0]
    page.fill(label, "what was typed")
    assert page.run("document.activeElement.type") == "password"
    page.click(f"Show {label.lower()}")
    assert page.run("document.querySelector('[name=password]').type") == "text"
    assert page.value(label) == "what was typed"
    page.click(f"Hide {label.lower()}")
    assert page.run("document.querySelector('[name=password]').type") == "password"


def test_password_managers_find_their_fields(person):
    page = person.page
    for path, wanted in FORMS.items():
        page.goto(path).until(page.fields, "the form")
        fields = "[...document.querySelectorAll('input')].map((e) => [e.type, e.autocomplete])"
        assert page.run(fields) == wanted
    page.goto("/login").until(page.fields, "the form")
    pasted = page.run(
        """(() => { const e = document.querySelector("[name=password]");
        const paste = new ClipboardEvent("paste", { cancelable: true, bubbles: true });
        return e.dispatchEvent(paste); })()"""
    )
    assert pasted, "pasting is prevented"


def test_log_out_is_in_sight_and_ends_every_tab(person):
    """On each page that a session has; the others leave by themselves."""
    person.log_in()
    other = person.page.tab("/account")
    other.sees(THERE)
    for page in (person.page, other):
        assert "Log out" in page.controls()
    person.log_out()
    other.at("/login")
    other.close()


def test_a_one_time_password_is_changed_first(newcomer, instance):
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.app_user SET onetime = true WHERE email = %s", [newcomer.api.email]
        )
    page, fresh = newcomer.page, data.password()
    newcomer.enter()
    page.sees("Choose your own password")
    assert "Log out" in page.controls()
    page.fill("Current password", newcomer.api.password)
    page.fill("New password", TOO_SHORT)
    page.click("Change password")
    page.sees("It must have at least 12 characters.")
    page.fill("New password", fresh)
    page.click("Change password")
    page.at("/account")
    newcomer.api.password = fresh
    newcomer.log_out().log_in()


def test_a_name_is_changed(newcomer):
    page = newcomer.log_in().page
    page.click("Change name")
    page.fill("Your name", "Emmy Noether")
    page.click("Save")
    page.sees("Your name is changed.")
    assert page.reload().until(lambda: "About you" in page.text(), "the account")
    assert page.text().count("Emmy Noether") == 2


def test_a_password_is_changed(newcomer):
    fresh = data.password()
    newcomer.log_in().page.click("Change password")
    newcomer.page.fill("Current password", "not this one")
    newcomer.page.fill("New password", fresh)
    newcomer.page.click("Change password")
    newcomer.page.sees("The current password is not right.")
    newcomer.page.fill("Current password", newcomer.api.password)
    newcomer.page.click("Change password")
    newcomer.page.sees("Your password is changed.")
    with Api(newcomer.api.instance) as api:
        api.login(newcomer.api.email, fresh)


# ---- the second factor ------------------------------------------------------------------


def test_an_authenticator_app(newcomer, instance):
    page = newcomer.log_in().page
    page.click("Set up an app")
    page.sees("Type this key in")
    uri = urlsplit(shown_qr(page))
    page.click("Cancel")
    app = newcomer.set_up_app()
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert len(parse_qs(uri.query)["secret"][0]) == len(app.secret)
    page.sees("10 recovery codes left.")
    assert not secrets_in(page, app.secret, *app.codes)
    user_id = page.run("fetch('/v1/me').then((r) => r.json()).then((me) => me.user.id)")
    newcomer.log_out()

    newcomer.enter()
    page.sees("One more step")
    assert "Log out" in page.controls()
    page.fill("Code from your authenticator app", app.wrong())
    page.click("Continue")
    page.sees("This code is not right")
    forget_steps(instance, user_id)
    page.fill("Code from your authenticator app", app.code())
    page.click("Continue")
    page.at("/account")
    page.sees(THERE)
    newcomer.log_out()

    newcomer.enter()
    page.click("Use a recovery code instead")
    page.fill("Recovery code", app.codes[0])
    page.click("Continue")
    page.sees("9 recovery codes left.")
    page.click("New recovery codes")
    page.sees("stop working")
    page.click("Make new codes")
    page.sees("Keep your recovery codes")
    page.click("I have kept them")
    page.sees("10 recovery codes left.")
    page.click("Remove the app")
    page.click("Remove")
    page.sees("The authenticator app is removed.")


def test_the_qr_code_says_what_the_text_says(newcomer):
    page = newcomer.log_in().page
    page.click("Set up an app")
    page.sees("Type this key in")
    asked = parse_qs(urlsplit(shown_qr(page)).query)
    text = page.run("document.querySelector('.secret-text').textContent")
    assert asked["secret"] == [text.replace(" ", "")]


def test_a_passkey(newcomer):
    page = newcomer.page
    authenticator = page.authenticator()
    newcomer.log_in().add_passkey("Work laptop")
    (credential,) = authenticator.credentials()
    assert credential["rpId"] == "localhost"
    page.click("Rename", "Work laptop")
    page.fill("Name of the passkey", "Ward laptop")
    page.click("Save")
    page.sees("The passkey is renamed.")

    authenticator.present(False)  # nobody takes it up as soon as it is suggested
    newcomer.log_out()
    authenticator.present(True)
    page.click("Log in with a passkey")
    page.at("/account")
    page.sees("Ward laptop")
    assert page.run("fetch('/v1/me').then((r) => r.json()).then((me) => me.session.amr)") == [
        "passkey"
    ]

    authenticator.present(False)
    newcomer.log_out()
    newcomer.enter("")
    page.sees("One more step")
    authenticator.present(True)
    page.click("Use a passkey")
    page.at("/account")
    page.click("Remove", "Ward laptop")
    page.sees("It no longer logs you in.")
    page.click("Cancel")
    page.sees("Ward laptop")
    page.click("Remove", "Ward laptop")
    page.click("Remove")
    page.sees("The passkey is removed.")
    page.sees_no("Ward laptop")


def test_a_passkey_is_suggested(newcomer):
    """Without a click: as soon as the person at the device takes it up."""
    authenticator = newcomer.page.authenticator()
    newcomer.log_in().add_passkey("Phone")
    newcomer.page.click("Log out")
    newcomer.page.at("/account")
    newcomer.page.sees("Phone")
    assert authenticator.credentials()[0]["signCount"] >= 1


def test_a_passkey_that_nobody_knows(newcomer):
    page = newcomer.page
    authenticator = page.authenticator()
    newcomer.log_in().add_passkey("Lost")
    authenticator.present(False)
    page.click("Remove", "Lost")
    page.click("Remove")
    page.sees("The passkey is removed.")
    newcomer.log_out()
    authenticator.present(True)
    page.click("Log in with a passkey")
    page.sees("This passkey is not one of your account")


# ---- links by mail ----------------------------------------------------------------------


def test_an_invitation(open_page, admin, instance):
    made = admin.made("/v1/users", account())
    mail = wait_mail(instance, made["email"], INVITED)
    page, password = open_page(mail.link), data.password()
    page.sees("Welcome")
    assert page.address == f"{instance.url}/invite"
    page.fill("Your password", TOO_SHORT)
    page.click("Accept and log in")
    page.sees("It must have at least 12 characters.")
    page.fill("Your password", password)
    page.click("Accept and log in")
    page.at("/account")
    page.sees(made["email"])
    assert not secrets_in(page, password)
    history = page.send("Page.getNavigationHistory")["entries"]
    assert not [entry for entry in history if mail.token in entry["url"]]

    again = open_page(mail.link)
    again.fill("Your password", password)
    again.click("Accept and log in")
    again.sees("This link has been used, has expired, or is not complete.")


def test_a_link_that_is_not_whole(open_page):
    open_page("/invite").sees("This link is not complete")


def test_a_forgotten_password(newcomer, instance):
    page, fresh = newcomer.page.goto("/login"), data.password()
    said = []
    for email in (newcomer.api.email, data.email()):
        page.click("Forgot your password?")
        page.at("/reset")
        page.fill("E-mail address", email)
        page.click("Send me a link")
        page.sees("If the address has an account")
        said.append(page.text())
        page.click("Back to the log-in")
        page.at("/login")
    assert said[0] == said[1]
    mail = wait_mail(instance, newcomer.api.email, FORGOTTEN)
    assert len(mails(instance, newcomer.api.email, FORGOTTEN)) == 1
    page.goto(mail.link)
    page.fill("New password", newcomer.api.email)
    page.click("Set password")
    page.until(lambda: page.run("document.querySelector('[aria-invalid]') !== null"), "a mistake")
    page.fill("New password", fresh)
    page.click("Set password")
    page.at("/login")
    page.sees("Your password is changed.")
    assert not [place for place in secrets_in(page, mail.token) if "/reset" not in place]
    newcomer.api.password = fresh
    newcomer.log_in()


# ---- sessions ---------------------------------------------------------------------------


def test_sessions_are_seen_and_ended(newcomer, open_page):
    newcomer.log_in()
    elsewhere = Person(open_page(), newcomer.api).log_in()
    page = newcomer.page.reload()
    page.sees("this one")
    assert page.text().count("From 127.0.0.0/24") == 2
    page.click("End the session on Chrome on Linux")
    page.sees("The session has ended.")
    assert page.text().count("From 127.0.0.0/24") == 1
    elsewhere.page.reload().at("/login")

    for _ in range(2):
        with Api(newcomer.api.instance) as api:
            api.login(newcomer.api.email, newcomer.api.password)
    page.reload().click("End all other sessions")
    page.sees("and nowhere else")
    page.click("End all others")
    page.sees("All other sessions have ended.")
    assert page.text().count("From 127.0.0.0/24") == 1


def test_a_tab_goes_on_after_another_has_moved_the_session_on(newcomer):
    """A change of the password gives the session another token, also to this tab."""
    page = newcomer.log_in().page
    other = page.tab("/account")
    other.sees(THERE)
    other.click("Change password")
    other.fill("Current password", newcomer.api.password)
    other.fill("New password", data.password())
    other.click("Change password")
    other.sees("Your password is changed.")
    other.close()
    page.click("Change name")
    page.fill("Your name", "Emmy Noether")
    page.click("Save")
    page.sees("Your name is changed.")


def test_a_tab_left_open_is_not_the_next_ones(newcomer, user):
    """At a browser that people share: no page of one of them acts for the other."""
    page = newcomer.log_in().page
    other = Person(page.tab("/login"), user)
    other.enter("")
    other.page.at("/account")
    page.sees(user.email)
    assert newcomer.api.email not in page.text()
    other.page.close()


# ---- how it is made -----------------------------------------------------------------------


def test_a_page_that_breaks_the_policy_is_noticed(browser):
    """So that the silence of the other tests means something."""
    page = browser.page("/login")
    page.until(page.fields, "the form")
    page.run("document.body.append(Object.assign(document.createElement('style'), {}))")
    page.run("document.body.setAttribute('style', 'color: red')")
    page.until(lambda: page.text() and page.complaints, "a complaint about a style")
    page.complaints.clear()
    refused = page.run("(() => { try { document.body.innerHTML = 'x' } catch { return true } })()")
    assert refused, "HTML as text is taken"
    page.close()


def test_nothing_is_inline(anonymous):
    for path in ("/login", "/invite", "/reset", "/account"):
        html = anonymous.get(path).text
        assert re.search(r'<script type="module" src="/assets/[a-z]+\.[0-9a-f]{16}\.js">', html)
        assert html.count("<script") == 1
        assert not re.search(r"<style|\son\w+=|\sstyle=|javascript:", html)


def test_another_ca_is_not_trusted(instance, tmp_path):
    """The browser would notice a false certificate."""

    class Stranger(Browser):
        def trust(self, ca: str) -> None:
            """Nobody."""

    with Stranger(instance) as browser, pytest.raises(AssertionError, match="ERR_CERT"):
        browser.page("/login")


def test_nothing_moves_while_it_loads(open_page):
    page = open_page()
    page.goto("/login").until(page.fields, "the form")
    shift = page.run(
        """new Promise((done) => { let sum = 0;
        new PerformanceObserver((list) => {
          for (const e of list.getEntries()) sum += e.value;
        }).observe({ type: "layout-shift", buffered: true });
        setTimeout(() => done(sum), 200); })"""
    )
    assert shift < 0.02


def at_log_in(person):
    person.page.goto("/login").until(person.page.fields, "the form")


def with_mistakes(person):
    at_log_in(person)
    person.page.click("Log in")


def at_forgotten(person):
    person.page.goto("/reset").sees("Forgot your password?")


def at_new_password(person):
    person.page.goto("/reset#token=x").sees("Set a new password")


def at_invitation(person):
    person.page.goto("/invite#token=x").sees("Welcome")


def at_account(person):
    person.log_in()


def at_app(person):
    person.log_in().page.click("Set up an app")
    person.page.sees("Type this key in")


def at_question(person):
    person.page.authenticator()
    person.log_in().add_passkey("Work laptop")
    person.page.click("Remove", "Work laptop")
    person.page.sees("It no longer logs you in.")


def at_second_factor(person):
    person.log_in().set_up_app()
    person.page.sees("10 recovery codes left.")
    person.log_out().enter("")
    person.page.sees("One more step")


@pytest.mark.parametrize(
    "place",
    [
        at_log_in, with_mistakes, at_forgotten, at_new_password, at_invitation, at_account, at_app,
        at_question, at_second_factor,
    ],
    ids=lambda place: place.__name__,
)  # fmt: skip
def test_everybody_can_use_it(newcomer, place):
    """Nothing that axe-core objects to; on a narrow screen nothing is cut off."""
    page = newcomer.page
    place(newcomer)
    for dark in (False, True):
        page.look(WIDE, dark=dark)
        assert accessibility(page) == []
        page.picture(f"{place.__name__}-{'dark' if dark else 'light'}")
    page.look(NARROW, dark=True)
    page.picture(f"{place.__name__}-narrow")
    assert page.run("document.documentElement.scrollWidth") <= NARROW[0]
    page.look(WIDE)


def test_the_way_back_shows_nothing_after_a_log_out(person):
    """A page of a session that is over is asked for anew."""
    page = person.log_in().page
    page.run("void setTimeout(() => location.assign('/reset'))")
    page.at("/reset")
    Person(page.tab("/account"), person.api).log_out().page.close()
    page.run("void setTimeout(() => history.back())")
    page.at("/login")
    assert THERE not in page.text()
