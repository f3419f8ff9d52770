"""What tests of several folders share: figures are drawn without a screen, pages are opened in a browser."""
import os
import shutil

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
SPREAD = ("tests/learn/test_pages.py",)
"""Files whose tests have nothing in common: with ``-n``, processes share the tests among them, not the files (each lesson, say, takes a minute)."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_configure(config):
    """Kernels for GPUs run on the simulator, unless a GPU is asked for: ``pytest -m gpu``."""
    if config.option.markexpr != "gpu":
        os.environ.setdefault("TINYATTN_CUDA", "simulator")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """As ``--dist loadfile`` would share out the tests, but for `SPREAD`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return nodeid if file in SPREAD else file

    return Scheduling(config, log)


def pytest_ignore_collect(collection_path, config):
    """Asked for a GPU, read only files that have tests for one: others, when they are imported, want the simulator."""
    if config.option.markexpr == "gpu" and collection_path.suffix == ".py" and "mark.gpu" not in collection_path.read_text(encoding="utf-8"):
        return True
    return None


@pytest.fixture(scope="module")
def chromium():
    """The browser; the tests are skipped where there is none.

    One for each file of tests: while Playwright runs, its event loop is in the way of another Playwright's and of a notebook's.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install 'tinyattn[docs]'")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path)
        yield browser
        browser.close()
