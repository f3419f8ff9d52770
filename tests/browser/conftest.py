"""Pages as a reader opens them: Chromium without a window, from the disk, offline. Whatever a page says to the console, or asks the network for, fails."""
import json

import pytest


class Opened:
    """A page in a browser of its own. `complaints`: what it said to the console, and what it asked for beyond its own file."""

    def __init__(self, browser, path, address="", width=1280, **options):
        self.complaints = []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda said: self.complaints.append(f"console: {said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda asked: None if asked.url.split("#")[0] == path.as_uri() else self.complaints.append(f"asks for {asked.url}"))
        self.page.goto(path.as_uri() + address)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def read(self, script):
        """What a script finds on the page, a function in JavaScript (as text in one piece: Playwright is slow with many small ones)."""
        return json.loads(self.page.evaluate(f"() => JSON.stringify(({script})())"))

    def walk(self, script):
        """What a script finds at the step that is shown, and after each press of the right arrow key until the last step."""
        self.page.evaluate(f"""() => {{ const note = () => window.stops.push(JSON.stringify(({script})()));
            window.stops = []; note(); window.addEventListener("keydown", note); }}""")
        place, count = map(int, self.page.locator(".count").text_content().split(" of "))
        self.press(*["ArrowRight"] * (count - place))
        stops = json.loads(self.page.evaluate("`[${window.stops.join()}]`"))
        assert len(stops) == count - place + 1
        return stops

    def focused(self, what):
        """A property of the element that has the focus."""
        return self.page.evaluate(f"document.activeElement.{what}")

    def tab_to(self, condition):
        """Press Tab until the focused element `e` fulfils a condition, written in JavaScript."""
        for _ in range(60):
            self.press("Tab")
            if self.page.evaluate(f"(e => {condition})(document.activeElement)"):
                return
        raise AssertionError(f"Tab never came to where {condition}")

    def choose(self, name, value):
        """Choose a radio button by keyboard: Tab to its group, then the arrow keys."""
        self.tab_to(f"e.name === '{name}'")
        for _ in range(10):
            if self.focused("value") == str(value):
                return
            self.press("ArrowRight")
        raise AssertionError(f"{name} never became {value}")

    def to_the_steps(self):
        """Where the arrow keys step."""
        self.tab_to("e.dataset.go === 'first'")


@pytest.fixture
def open_page(chromium):
    """open_page(path, address="", width=1280, **options) → `Opened`. At the end of the test no page may have complained."""
    pages = []

    def opened(path, address="", width=1280, **options):
        pages.append(Opened(chromium, path, address, width, **options))
        return pages[-1]

    yield opened
    complaints = [complaint for page in pages for complaint in page.complaints]
    for page in pages:
        page.context.close()
    assert not complaints, complaints
