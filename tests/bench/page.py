"""Rows about the page, in a real browser: its weight, the way to a prompt, floods and Ctrl-C."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, sync_playwright

from dockbox.assets import Assets
from tests.support.processes import program
from tests.support.tab import Tab

from .report import DOCKBOX, Row, percentiles
from .rig import Box, Rig

KB = 1000
ROWS = {
    "load to the prompt of a running box": "ms",
    "click to the prompt of a new box": "ms",
    "echo p50 idle": "ms",
    "echo p99 idle": "ms",
    "drawn during a flood": "MB/s",
    "longest deafness during a flood": "ms",
    "Ctrl-C during a flood, to the prompt": "ms",
}
FLOW = 1.5  # seconds of a flood
FLOOD = "yes $(printf %0900d 1)\n"
# Notes, at each frame that is drawn, when the prompt is first there.
WATCH = """(() => {
    const look = () => {
        const terminal = document.getElementById("main")?.terminal;
        const lines = terminal?.buffer.active;
        for (let at = 0; lines && at < lines.length; at++)
            if (lines.getLine(at).translateToString(true).includes("#")) {
                window.prompted ??= performance.now();
                return;
            }
        requestAnimationFrame(look);
    };
    look();
    addEventListener("submit", () => (window.submitted = performance.now()), true);
})()"""
# Types `count` letters, each when the last has been drawn; milliseconds that each took.
ECHO = """async (count) => {
    const { terminal } = document.getElementById("main");
    const times = [];
    for (let at = 0; at < count; at++) {
        const drawn = new Promise((done) => {
            const ear = terminal.onWriteParsed(() => { ear.dispose(); done(); });
        });
        const begun = performance.now();
        terminal.input("x", true);
        await drawn;
        times.push(performance.now() - begun);
        await new Promise((done) => setTimeout(done, 5));
    }
    return times;
}"""
# Counts what is written to the screen for some seconds, and how long the page was deaf.
FLOODED = """async (seconds) => {
    const { terminal } = document.getElementById("main");
    const write = terminal.write;
    let bytes = 0, deaf = 0, last = performance.now();
    terminal.write = (data, done) =>
        write.call(terminal, data, () => { bytes += data.length; done?.(); });
    const clock = setInterval(() => {
        const now = performance.now();
        deaf = Math.max(deaf, now - last - 5);
        last = now;
    }, 5);
    await new Promise((done) => setTimeout(done, 1000 * seconds));
    clearInterval(clock);
    terminal.write = write;
    return [bytes / seconds / 1e6, deaf];
}"""
# Presses Ctrl-C; milliseconds until the last line is a prompt.
INTERRUPT = """async () => {
    const { terminal } = document.getElementById("main");
    const begun = performance.now();
    terminal.input("\\x03", true);
    for (;;) {
        await new Promise((done) => { const ear = terminal.onWriteParsed(() => { ear.dispose(); done(); }) });
        const lines = terminal.buffer.active;
        const line = lines.getLine(lines.baseY + lines.cursorY).translateToString(true);
        if (line.includes("#")) return performance.now() - begun;
    }
}"""  # noqa: E501


def page(rig: Rig, url: str, box: Box, rounds: int, keys: int) -> list[Row]:
    """All rows; each round has a browser's profile of its own, so nothing is in its cache."""
    weight = Row("page: all for a terminal, compressed", "kB")
    weight.add(DOCKBOX, _weight() / KB)
    timed = {name: Row(f"page: {name}", unit) for name, unit in ROWS.items()}
    small = rig.site.repository("small", {"main.py": "print('hello')\n"})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium", "chromium"), args=["--no-sandbox"],
            env={**rig.run.environment()},
        )  # fmt: skip
        for _ in range(rounds):
            found = _terminal(browser, rig, box, keys) | _start(browser, rig, small)
            for name, number in found.items():
                timed[name].add(DOCKBOX, number)
        browser.close()
    return [weight, *timed.values()]


def _weight() -> int:
    """Bytes of bodies that a browser loads for a terminal, but for WebGL, which not all have."""
    assets = Assets()
    shown = assets.page("boot.js", "app.js", "views/terminal.js")
    text = shown.content.decode()
    named = [asset for name, asset in assets.files.items() if f"/{name}" in text]
    return len(shown.packed) + sum(len(asset.packed) for asset in named)


def _open(browser: Browser, rig: Rig, path: str) -> Tab:
    tab = Tab(browser, rig.dockbox.url)
    tab.context.add_init_script(WATCH)
    return tab.open(path)


def _prompted(tab: Tab) -> float:
    tab.ready()
    tab.page.wait_for_timeout(50)
    return float(tab.page.evaluate("() => window.prompted - (window.submitted ?? 0)"))


def _terminal(browser: Browser, rig: Rig, box: Box, keys: int) -> dict[str, float]:
    tab = _open(browser, rig, f"/{box.id}")
    loaded = _prompted(tab)
    echo: list[float] = tab.page.evaluate(ECHO, keys)
    tab.page.evaluate(INTERRUPT)
    tab.type(FLOOD)
    tab.page.wait_for_timeout(300)
    drawn, deaf = tab.page.evaluate(FLOODED, FLOW)
    stopped: Any = tab.page.evaluate(INTERRUPT)
    tab.type("clear\n")
    tab.close()
    echoed = percentiles(echo)
    return {
        "load to the prompt of a running box": loaded, "echo p50 idle": echoed["p50"],
        "echo p99 idle": echoed["p99"],
        "drawn during a flood": drawn, "longest deafness during a flood": deaf,
        "Ctrl-C during a flood, to the prompt": stopped,
    }  # fmt: skip


def _start(browser: Browser, rig: Rig, url: str) -> dict[str, float]:
    tab = _open(browser, rig, "/")
    tab.page.get_by_label("Address").fill(url)
    tab.page.keyboard.press("Enter")
    tab.page.locator(".frame").wait_for()
    took = _prompted(tab)
    tab.close()
    return {"click to the prompt of a new box": took}
