"""What people do in the browser on the pages of identity, for the tests of the pages."""

import re
from dataclasses import dataclass

import numpy
import zxingcpp

from lib.browser import Page
from lib.client import Api
from lib.tables import ROOT
from lib.totp import Authenticator

AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
# What the account page says when it is there.
THERE = "About you"
LOGGED_OUT = "You are logged out."


@dataclass
class Person:
    """A user and the browser she sits at."""

    page: Page
    api: Api  # not logged in; has email and password
    app: Authenticator | None = None

    def enter(self, path: str = "/login") -> "Person":
        """Types e-mail address and password and sends them."""
        if path:
            self.page.goto(path)
        self.page.fill("E-mail address", self.api.email)
        self.page.fill("Password", self.api.password)
        self.page.click("Log in")
        return self

    def log_in(self) -> "Person":
        self.enter()
        self.page.at("/account")
        self.page.sees(THERE)
        return self

    def log_out(self) -> "Person":
        self.page.click("Log out")
        self.page.at("/login")
        self.page.sees(LOGGED_OUT)
        return self

    def set_up_app(self) -> Authenticator:
        """Takes the secret off the page, and keeps the recovery codes."""
        self.page.click("Set up an app")
        self.page.sees("Type this key in")
        self.app = Authenticator(shown_secret(self.page))
        self.page.fill("Code that the app shows", self.app.code())
        self.page.click("Confirm")
        self.page.sees("Keep your recovery codes")
        self.app.codes = self.page.run(
            "[...document.querySelectorAll('.codes li')].map((e) => e.textContent)"
        )
        self.page.click("I have kept them")
        return self.app

    def add_passkey(self, name: str) -> None:
        self.page.click("Add a passkey")
        self.page.fill("Name of the passkey", name)
        self.page.click("Create")
        self.page.sees("The passkey is added.")


def shown_secret(page: Page) -> str:
    text = page.run("document.querySelector('.secret-text').textContent")
    return text.replace(" ", "")


def shown_qr(page: Page) -> str:
    """What the QR code on the page says, read by a decoder that is not ours."""
    box, path = page.run(
        """(() => { const svg = document.querySelector(".qr svg");
        return [svg.getAttribute("viewBox"), svg.querySelector("path").getAttribute("d")]; })()"""
    )
    size = int(box.split()[2])
    image = numpy.full((size, size), 255, numpy.uint8)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path):
        image[int(y), int(x)] = 0
    (code,) = zxingcpp.read_barcodes(image.repeat(4, 0).repeat(4, 1))
    return code.text


def accessibility(page: Page) -> list[str]:
    """What axe-core finds wrong with the page: WCAG 2.2 A and AA, and good practice."""
    page.run(f"{AXE.read_text()}; undefined")
    found = page.run("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{v['id']} ({v['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
        for v in found["violations"]
        for node in v["nodes"]
    ]
