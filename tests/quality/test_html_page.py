# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a counterexample in a real browser: details, keys, loop, no complaints, nothing in anybody's way."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lostirq.evidence.account import Account
from lostirq.report.html import html
from lostirq.workflow.counterexample import find
from tests.quality.browser import barriers, complaints

ROOT = Path(__file__).resolve().parents[2]
RUNS = ("entry-fence-removed", "tpr-threshold-livelock")
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Account]:
    cache = tmp_path_factory.mktemp("cache")
    return {slug: find(ROOT, slug, cache).account for slug in RUNS}


def opened(browser: Any, account: Account, folder: Path, fragment: str = "") -> None:
    page = folder / "page.html"
    page.write_text(html(account), encoding="utf-8")
    browser.get("about:blank")
    browser.get(f"{page.as_uri()}{fragment}")


def key(browser: Any, *names: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for name in names:
        ActionChains(browser).send_keys(name).perform()


@pytest.mark.parametrize("slug", RUNS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_complaints_and_no_barriers(
    browser: Any, accounts: dict[str, Account], tmp_path: Path, slug: str, scheme: str,
) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    opened(browser, accounts[slug], tmp_path, "#step3")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == {
        "light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    assert barriers(browser) == []
    assert complaints(browser) == []


@pytest.mark.parametrize("slug", RUNS)
def test_what_a_step_says_is_not_covered(browser: Any, accounts: dict[str, Account], tmp_path: Path, slug: str) -> None:
    """A step that goes through several functions says something in each: the point of every such line is its own."""
    account = accounts[slug]
    assert any(len(s.said) > 1 for s in account.steps)
    opened(browser, account, tmp_path)
    covered = browser.execute_script("""
        return [...document.querySelectorAll(".say .function, .say .fact")].filter((e) => e.offsetParent !== null)
          .filter((e) => {
            e.scrollIntoView({block: "center"});
            const box = e.getBoundingClientRect();
            return !e.contains(document.elementFromPoint(box.left + 20, box.top + box.height / 2));
          }).map((e) => e.textContent);""")
    assert covered == []
    shown = [e.text for e in browser.find_elements("css selector", ".say .fact") if e.is_displayed()]
    told = [said for s in account.steps for said in s.said if not said.minor]
    assert shown == [f.text for said in told for f in said.facts if not f.minor]


def test_a_click_shows_the_step(browser: Any, accounts: dict[str, Account], tmp_path: Path) -> None:
    account = accounts[RUNS[0]]
    opened(browser, account, tmp_path)
    number = next(i for i, s in enumerate(account.steps) if any(c.shown for c in s.changes) and s.kernel)
    step = account.steps[number]
    button = browser.find_element("id", f"step{number + 1}")
    if not button.is_displayed():
        browser.find_element("id", "minor").click()
    button.click()
    detail = browser.find_element("id", "detail").text
    assert f"Step {number + 1} of {len(account.steps)}" in detail
    assert step.kernel in detail and f"{step.file}:{step.line}" in detail
    assert account.variables[step.changes[0].variable].short in detail
    assert browser.current_url.endswith(f"#step{number + 1}")
    browser.find_element("css selector", "#detail summary").click()
    values = account.states()[number + 1]
    assert all(f"{v.short} = " in browser.find_element("id", "detail").text for v in account.variables)
    assert len(values) == len(account.variables)


def test_keys_walk_through_the_run(browser: Any, accounts: dict[str, Account], tmp_path: Path) -> None:
    opened(browser, accounts[RUNS[0]], tmp_path)
    visited = []
    for _ in accounts[RUNS[0]].steps:
        key(browser, "j")
        visited.append(browser.find_element("css selector", "[aria-current]").get_attribute("id"))
    assert len(set(visited)) > 3 and visited[-1] == visited[-2]
    key(browser, "k")
    assert browser.find_element("css selector", "[aria-current]").get_attribute("id") != visited[-1]


def test_a_lasso_is_shown_as_a_loop(browser: Any, accounts: dict[str, Account], tmp_path: Path) -> None:
    account = accounts[RUNS[1]]
    assert account.loop is not None
    opened(browser, account, tmp_path)
    assert len(browser.find_elements("css selector", "li.looped")) == len(account.steps) - account.loop
    again = browser.find_element("css selector", ".again").text
    assert f"steps {account.loop + 1} to {len(account.steps)} repeat" in again


def test_copy_as_text_copies_the_report(browser: Any, accounts: dict[str, Account], tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    opened(browser, accounts[RUNS[0]], tmp_path)
    browser.find_element("id", "copy").click()
    said = ("Copied", "Select the text below")
    WebDriverWait(browser, 20, poll_frequency=0.05).until(lambda b: b.find_element("id", "copy").text in said)
    assert browser.find_element("id", "text").text.startswith(accounts[RUNS[0]].claim.headline)


def test_the_page_needs_no_network_and_is_small(accounts: dict[str, Account]) -> None:
    for account in accounts.values():
        page = html(account)
        assert len(page.encode()) < MOST_BYTES
        assert not re.search(r"<[^>]*\b(?:src|href|action)=|https?://|@import|url\(", page)
        assert page == html(account)


def test_texts_of_a_model_stay_texts(browser: Any, accounts: dict[str, Account], tmp_path: Path) -> None:
    """Markup in a property, a statement or a choice is shown, and does nothing."""
    evil = "</script><script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
    account = accounts[RUNS[0]]
    steps = tuple(replace(s, text=evil, choice=evil, function=evil, events=(evil,)) for s in account.steps)
    account = replace(account, claim=replace(account.claim, headline=evil, statement=evil), steps=steps, failure=evil)
    opened(browser, account, tmp_path, "#step1")
    assert browser.title != "taken"
    assert browser.find_elements("css selector", "img") == []
    assert evil in browser.find_element("tag name", "h1").text
    assert complaints(browser) == []
