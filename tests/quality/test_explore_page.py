# SPDX-License-Identifier: GPL-2.0-or-later
"""The explorer in a real browser: walk, see what is blocked, jump to a counterexample, keep the path, save a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from lostirq.workflow.counterexample import find
from lostirq.workflow.explore import Explorer
from lostirq.workflow.explore_server import Server
from tests.quality.browser import barriers, complaints

ROOT = Path(__file__).resolve().parents[2]
BUG = "entry-fence-removed"
START = "#scenario=sender_halt&memory=tso"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(Explorer(ROOT, tmp_path_factory.mktemp("cache")))
    found.start()
    yield found
    found.stop()


def arrived(browser: Any) -> None:
    """Wait until the page shows what its address says."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("return document.body.dataset.ready === location.hash"))


def visit(browser: Any, server: Server, place: str = START) -> None:
    browser.get("about:blank")
    browser.get(server.url + place)
    arrived(browser)


def texts(browser: Any, selector: str) -> list[str]:
    return [e.text for e in browser.find_elements("css selector", selector)]


def test_a_walk(browser: Any, server: Server) -> None:
    visit(browser, server)
    assert texts(browser, "#run li") == []
    first = texts(browser, "#enabled button")
    browser.find_element("css selector", "#enabled button").click()
    arrived(browser)
    assert len(texts(browser, "#run li")) == 1
    assert first and texts(browser, "#enabled button") != first
    assert texts(browser, "#state .came")
    assert "path=" in browser.current_url
    browser.refresh()
    arrived(browser)
    assert len(texts(browser, "#run li")) == 1
    browser.find_element("id", "back").click()
    arrived(browser)
    assert texts(browser, "#run li") == []


def test_what_cannot_happen_is_told_with_the_reason(browser: Any, server: Server) -> None:
    visit(browser, server)
    browser.find_element("css selector", "details summary").click()
    assert any("because" in t for t in texts(browser, "#disabled li"))


def test_a_jump_to_a_counterexample_and_the_page_that_it_saves(browser: Any, server: Server) -> None:
    visit(browser, server)
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("id", "bug")).select_by_value(BUG)
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda b: f"bug={BUG}" in b.current_url)
    arrived(browser)
    run = find(ROOT, BUG, Path("/nonexistent")).run
    assert len(texts(browser, "#run li")) == len(run.steps)
    assert any(run.trace.property in t for t in texts(browser, "#properties .violated"))
    saved = urlopen(browser.find_element("id", "save").get_attribute("href")).read().decode()  # loopback
    assert saved.startswith("<!doctype html>") and run.trace.property in saved
    browser.find_element("css selector", "#run li:nth-child(3) button").click()
    arrived(browser)
    assert len(texts(browser, "#run li")) == 3


def test_keys(browser: Any, server: Server) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    visit(browser, server)
    ActionChains(browser).send_keys("1").perform()
    arrived(browser)
    assert len(texts(browser, "#run li")) == 1
    ActionChains(browser).send_keys("u").perform()
    arrived(browser)
    assert texts(browser, "#run li") == []


def test_no_complaints_and_no_barriers(browser: Any, server: Server) -> None:
    visit(browser, server)
    browser.find_element("css selector", "details summary").click()
    assert barriers(browser) == []
    assert complaints(browser) == []


def test_an_address_that_leads_nowhere_is_told(browser: Any, server: Server) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get("about:blank")
    browser.get(server.url + START + "&path=99999")
    WebDriverWait(browser, 60).until(lambda b: "cannot be taken" in b.find_element("id", "error").text)
    complaints(browser)  # the browser reports the answer 400


def test_the_saved_page_of_a_path_claims_no_violation(server: Server) -> None:
    page = urlopen(f"{server.url}save?scenario=sender_halt&memory=tso&path=0").read().decode()
    assert "violated" not in page and "1 step of sender_halt" in page
    models = json.loads(urlopen(f"{server.url}api/models").read())
    assert BUG in models["bugs"]
