"""A tab of a real browser, and what is seen in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Error, Page, TimeoutError

from .processes import Missing
from .run import ROOT
from .waiting import eventually

ARTEFACTS = ROOT / "artefacts"
AXE = ROOT / "web" / "vendor" / "axe.min.js"
READ = """() => {
    const buffer = document.getElementById("main").terminal?.buffer.active;
    if (!buffer) return "";
    const lines = [];
    for (let at = 0; at < buffer.length; at++) {
        const line = buffer.getLine(at);
        if (line.isWrapped) lines[lines.length - 1] += line.translateToString(true);
        else lines.push(line.translateToString(true));
    }
    return lines.join("\\n").trimEnd();
}"""
# what a policy forbids is no error of the page, and would pass unseen
NOTE = """addEventListener("securitypolicyviolation",
    (event) => console.error("forbidden:", event.violatedDirective, event.blockedURI))"""
SERIOUS = {"serious", "critical"}


class Tab:
    """A browser's tab at ``url``, with a profile of its own; ``options`` are Playwright's.

    ``trouble`` has every error of a script, every violation of the policy, and every request
    that goes elsewhere.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url, self.trouble = url, list[str]()
        self.context: BrowserContext = browser.new_context(base_url=url, **options)
        self.context.set_default_timeout(15_000)
        self.context.add_init_script(NOTE)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", self._meet)
        self.cut = list[str]()  # what was asked for and did not come
        self.page.on("requestfailed", lambda one: self.cut.append(f"{one.url}: {one.failure}"))

    def _hear(self, message: Any) -> None:
        # the browser's own notes of what a server refused are not the page's
        known = ("Failed to load resource", "WebSocket connection to")
        if message.type == "error" and not message.text.startswith(known):
            self.trouble.append(message.text)

    def _meet(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.url).netloc:
            self.trouble.append(f"a request to {request.url}")

    def open(self, path: str) -> Tab:
        """Load the page, and wait until it shows something."""
        self.page.goto(path)
        if path == "about:blank":
            return self
        try:
            self.shows()
        except TimeoutError:
            if not self.page.locator(".unloaded").is_visible():
                raise
            self.page.reload()  # as it tells
            self.shows()
        return self

    def shows(self) -> Tab:
        """Wait until something of a view is seen."""
        try:
            self.page.locator("main > *").first.wait_for()
        except TimeoutError as error:
            error.add_note(f"did not come: {self.cut}; the page: {self.page.content()[-2000:]}")
            raise
        return self

    def text(self) -> str:
        """All that the terminal has, lines as the shell wrote them."""
        try:
            return str(self.page.evaluate(READ))
        except Error as error:
            if "context was destroyed" not in str(error):
                raise
            return ""  # it is being loaded again

    def sees(self, text: str, timeout: float = 20) -> str:
        """Wait until the terminal shows ``text``; all that it has."""

        def shown() -> str:
            found = self.text()
            return found if text in found else ""

        try:
            return eventually(shown, timeout, f"{text!r} in the terminal")
        except AssertionError as error:
            error.add_note(f"the terminal has: {self.text()[-2000:]!r}")
            raise

    def ready(self, timeout: float = 30) -> Tab:
        """Wait for a prompt."""
        self.sees("#", timeout)
        return self

    def prompts(self) -> Tab:
        """Wait for a prompt at the end: what is typed after a Ctrl-C before it may be discarded."""
        eventually(lambda: self.text().endswith("#"), 20, "a prompt at the end")
        return self

    def type(self, text: str) -> None:
        """On the keyboard; what has the focus gets it."""
        self.page.keyboard.type(text)

    def run(self, command: str, answer: str) -> str:
        """Type a command, and wait until ``answer`` stands at the beginning of a line."""
        self.type(f"{command}\n")
        return self.sees(f"\n{answer}")

    def notice(self, text: str) -> None:
        """Wait until the line about the connection has ``text``."""
        self.page.locator(".notice").get_by_text(text).wait_for()

    def shoot(self, name: str) -> None:
        """A picture of what is seen, below ``artefacts/``, which git ignores."""
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png", animations="disabled")

    def findings(self) -> list[str]:
        """What axe-core finds serious in what is seen now."""
        if not Path(AXE).exists():
            raise Missing("axe-core is missing: scripts/assets --dev (`make test` does)")
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("() => axe.run()")
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]

    def close(self) -> None:
        self.context.close()
