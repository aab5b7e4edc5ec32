"""Chromium as a person uses it: sees text, fills in fields by their labels, clicks what is named.

    with Browser(instance) as browser:
        page = browser.page("/login")
        page.fill("E-mail address", email)
        page.fill("Password", password)
        page.click("Log in")
        page.sees("Your account")

The instance's CA is trusted as an administrator would make it trusted, in the NSS database of a
home directory of its own: certificate errors are errors. Input is real mouse and key events.
Every page() is a browser of its own (cookies, storage); page.tab() shares them. What a page does
against its Content-Security-Policy, and scripts that fail, gather in page.complaints.

ELEUSIS_TEST_PICTURES=DIR keeps the screenshots of page.picture(name) there for people to look at.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from lib.devtools import DevTools, DevToolsError

WAIT_SECONDS = 15
POLL_SECONDS = 0.05
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # tests run as root
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--password-store=basic",
    "--force-color-profile=srgb",
    "--lang=en-GB",
    "--remote-debugging-pipe",
    # Whatever it would like to ask of the rest of the world.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost",
]
WIDE, NARROW = (1200, 900), (360, 740)

# What a person sees of a document: the names of fields and of what can be clicked. The topmost
# dialog makes the rest inert.
EYES = """
(() => {
  const squeeze = (s) => (s || "").replace(/\\s+/g, " ").trim();
  const root = () => [...document.querySelectorAll("dialog[open]")].pop() || document;
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
    e.getClientRects().length > 0;
  const byIds = (ids) => squeeze((ids || "").split(/\\s+/)
    .map((id) => document.getElementById(id)?.textContent).join(" "));
  const name = (e) => e.getAttribute("aria-label") || byIds(e.getAttribute("aria-labelledby")) ||
    squeeze([...(e.labels || [])].map((l) => l.textContent).join(" ")) ||
    squeeze(e.innerText || e.textContent);
  const all = (selector, wanted) => [...root().querySelectorAll(selector)]
    .filter((e) => shown(e) && name(e) === wanted);
  const which = { field: "input, select, textarea", control: "button, a[href], summary" };
  return {
    find: (kind, wanted, within) => all(which[kind], wanted).find((e) => !within ||
      squeeze(e.closest("li, section, fieldset, form")?.innerText).includes(within)),
    names: (kind) => [...root().querySelectorAll(which[kind])].filter(shown).map(name),
    text: () => squeeze((root() === document ? document.body : root())?.innerText),
  };
})()
"""


class Browser:
    def __init__(self, instance):
        self.url = instance.url
        self.home = Path(tempfile.mkdtemp(prefix="eleusis-browser-"))
        self.pictures = Path(os.environ.get("ELEUSIS_TEST_PICTURES") or self.home / "pictures")
        self.trust(instance.ca)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ELEUSIS_", "XDG_"))}
        command = ["chromium", *FLAGS, f"--user-data-dir={self.home / 'profile'}", "about:blank"]
        self.devtools = DevTools(command, env | {"HOME": str(self.home)}, self.home / "log")

    def trust(self, ca: str) -> None:
        store = self.home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        for command in (
            ["certutil", "-N", "--empty-password", "-d", f"sql:{store}"],
            ["certutil", "-A", "-d", f"sql:{store}", "-n", "ca", "-t", "C,,", "-i", ca],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=30)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.devtools.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def page(self, path: str | None = None, size: tuple[int, int] = WIDE) -> "Page":
        """A page with cookies and storage of its own."""
        context = self.devtools.send("Target.createBrowserContext")["browserContextId"]
        page = Page(self, context, size)
        return page.goto(path) if path else page


class Page:
    def __init__(self, browser: Browser, context: str, size: tuple[int, int]):
        self.browser, self.context = browser, context
        self.complaints: list[str] = []
        self.refused: list[str] = []  # requests answered with an error, as the console names them
        made = browser.devtools.send(
            "Target.createTarget", url="about:blank", browserContextId=context
        )
        self.target = made["targetId"]
        attached = browser.devtools.send(
            "Target.attachToTarget", targetId=self.target, flatten=True
        )
        self.session = attached["sessionId"]
        browser.devtools.listeners[self.session] = self.heard
        for domain in ("Page", "Runtime", "Log", "Audits", "Network"):
            self.send(f"{domain}.enable")
        self.look(size)

    def send(self, method: str, **params) -> dict:
        return self.browser.devtools.send(method, self.session, **params)

    def heard(self, method: str, params: dict) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:600])
        elif method == "Audits.issueAdded":
            if params["issue"]["code"] == "ContentSecurityPolicyIssue":
                self.complaints.append(json.dumps(params["issue"]["details"])[:600])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(params["args"])[:600])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            where = self.refused if entry["source"] == "network" else self.complaints
            where.append(f"{entry['text']} {entry.get('url', '')}")

    def tab(self, path: str | None = None) -> "Page":
        """Another page of the same browser: the same cookies and storage."""
        page = Page(self.browser, self.context, WIDE)
        return page.goto(path) if path else page

    def close(self) -> None:
        self.browser.devtools.listeners.pop(self.session, None)
        self.browser.devtools.send("Target.closeTarget", targetId=self.target)

    # ---- where it is ---------------------------------------------------------

    def goto(self, path: str) -> "Page":
        """Opens a path of the instance (or another address) and waits until it is loaded."""
        # A fragment alone would not load anything.
        self.send("Page.navigate", url="about:blank")
        self.until(lambda: self.run("location.href") == "about:blank", "an empty page")
        address = path if "://" in path else self.browser.url + path
        failed = self.send("Page.navigate", url=address).get("errorText")
        assert not failed, f"{address}: {failed}"
        self.loaded()
        return self

    def loaded(self) -> None:
        self.until(
            lambda: self.run(
                "document.readyState === 'complete' && location.href !== 'about:blank'"
            ),
            "the page's loading",
        )

    def reload(self) -> "Page":
        self.run("void (window.before = true)")
        self.send("Page.reload")
        self.until(lambda: not self.run("window.before"), "the page's reloading")
        self.loaded()
        return self

    @property
    def address(self) -> str:
        return self.run("location.href")

    def at(self, path: str) -> None:
        """Waits until the address is this path of the instance, without query and fragment."""
        wanted = self.browser.url + path
        self.until(lambda: self.run("location.origin + location.pathname") == wanted, path)
        self.loaded()

    # ---- scripts -------------------------------------------------------------

    def run(self, expression: str, *args: object) -> object:
        """The value of an expression, or of a function called with args; promises are awaited."""
        if args:
            expression = f"({expression})({', '.join(map(json.dumps, args))})"
        answer = self.send(
            "Runtime.evaluate",
            expression=expression, returnByValue=True, awaitPromise=True, userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, ready, what: str, seconds: float = WAIT_SECONDS) -> object:
        """Waits until ready() is true; a page that is being replaced is not."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if found := ready():
                    return found
            except DevToolsError as error:
                if time.monotonic() > deadline:
                    raise AssertionError(what) from error
            assert time.monotonic() < deadline, f"waited for {what}; the page: {self.state()}"
            time.sleep(POLL_SECONDS)

    def state(self) -> str:
        return f"{self.address} {self.text()[:1500]!r} {self.complaints[:3]}"

    # ---- what a person sees and does ------------------------------------------

    def text(self) -> str:
        """All that is visible, of the topmost dialog if there is one."""
        return self.run(f"{EYES}.text()") or ""

    def sees(self, words: str) -> None:
        self.until(lambda: words in self.text(), f"the words {words!r}")

    def sees_no(self, words: str) -> None:
        self.until(lambda: words not in self.text(), f"the absence of {words!r}")

    def fields(self) -> list[str]:
        return self.run(f"{EYES}.names('field')")

    def controls(self) -> list[str]:
        return self.run(f"{EYES}.names('control')")

    def place(self, kind: str, name: str, within: str) -> tuple[float, float]:
        """The middle of an element, once it is there, enabled, and stands still."""

        def look() -> list | None:
            return self.run(
                f"""(kind, name, within) => {{
                    const e = {EYES}.find(kind, name, within);
                    if (!e || e.disabled || e.ariaBusy === "true") return null;
                    e.scrollIntoView({{ block: "center", behavior: "instant" }});
                    const box = e.getBoundingClientRect();
                    const x = box.x + Math.min(box.width / 2, 40), y = box.y + box.height / 2;
                    const hit = document.elementFromPoint(x, y);
                    return hit && (e === hit || e.contains(hit) || hit.contains(e)) ? [x, y] : null;
                }}""",
                kind, name, within,
            )  # fmt: skip

        return tuple(self.until(look, f"the {kind} {name!r} {within}"))

    def click_at(self, place: tuple[float, float]) -> None:
        where = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, **where)

    def click(self, name: str, within: str = "") -> None:
        """A button or link by its name; within: of the list item or form with these words."""
        self.click_at(self.place("control", name, within))

    def fill(self, label: str, value: str, within: str = "") -> None:
        """Replaces what is in the field with this label."""
        self.click_at(self.place("field", label, within))
        self.run("document.activeElement.select?.()")
        self.send("Input.insertText", text=value)

    def choose(self, label: str, within: str = "") -> None:
        """A check box or radio button."""
        self.click_at(self.place("field", label, within))

    def value(self, label: str) -> str:
        return self.run(f"(label) => {EYES}.find('field', label).value", label)

    def press(self, key: str) -> None:
        """One key: Enter, Tab, Escape, ArrowDown."""
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowDown": 40, " ": 32}
        params = {"key": key, "windowsVirtualKeyCode": codes[key]}
        text = {"Enter": "\r", " ": " "}.get(key)
        down = {"text": text} if text else {}
        self.send(
            "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **params, **down
        )
        self.send("Input.dispatchKeyEvent", type="keyUp", **params)

    def focused(self) -> str:
        """The name of what has the focus."""
        return self.run(
            """(() => { const e = document.activeElement; return e.getAttribute("aria-label") ||
            [...(e.labels || [])].map((l) => l.textContent).join(" ").trim() ||
            e.innerText || e.tagName; })()"""
        )

    # ---- what it keeps -------------------------------------------------------

    def cookies(self) -> dict[str, dict]:
        return {c["name"]: c for c in self.send("Network.getCookies")["cookies"]}

    def storage(self) -> dict[str, str]:
        """localStorage and sessionStorage together."""
        return self.run("origin === 'null' ? {} : { ...localStorage, ...sessionStorage }")

    # ---- how it looks --------------------------------------------------------

    def look(self, size: tuple[int, int] = WIDE, dark: bool = False) -> None:
        """The size of the window, and the colours that the person prefers."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=size[0], height=size[1], deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.send("Emulation.setEmulatedMedia", features=[scheme, still])

    def picture(self, name: str) -> Path:
        """A screenshot of the whole page."""
        self.browser.pictures.mkdir(parents=True, exist_ok=True)
        taken = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path = self.browser.pictures / f"{name}.png"
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    # ---- passkeys ------------------------------------------------------------

    def authenticator(self, **options: object) -> "Authenticator":
        """A virtual authenticator; its user is present and verified. Options as those of the
        DevTools protocol's VirtualAuthenticatorOptions."""
        self.send("WebAuthn.enable")
        wanted = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        } | options
        made = self.send("WebAuthn.addVirtualAuthenticator", options=wanted)
        return Authenticator(self, made["authenticatorId"])


class Authenticator:
    """A virtual authenticator of one page (tabs have their own)."""

    def __init__(self, page: Page, name: str):
        self.page, self.name = page, name

    def send(self, method: str, **params) -> dict:
        return self.page.send(f"WebAuthn.{method}", authenticatorId=self.name, **params)

    def credentials(self) -> list[dict]:
        """credentialId, rpId, privateKey, userHandle (base64), signCount ..."""
        return self.send("getCredentials")["credentials"]

    def add(self, credential: dict) -> None:
        """As credentials() gives them: the same key in another page's authenticator."""
        self.send("addCredential", credential=credential)

    def verified(self, yes: bool) -> None:
        """Does the person pass the authenticator's own check from now on?"""
        self.send("setUserVerified", isUserVerified=yes)

    def present(self, yes: bool) -> None:
        """Is she there at all?"""
        self.send("setAutomaticPresenceSimulation", enabled=yes)

    def remove(self) -> None:
        self.send("removeVirtualAuthenticator")
