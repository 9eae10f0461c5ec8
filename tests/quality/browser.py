# SPDX-License-Identifier: GPL-2.0-or-later
"""What a browser (the fixture of conftest.py) says of the page that it shows."""

from __future__ import annotations

from typing import Any


def complaints(driver: Any) -> list[str]:
    """What the browser has on its console."""
    return [entry["message"] for entry in driver.get_log("browser")]


def barriers(driver: Any) -> list[str]:
    """What axe-core finds in the way of people who use assistive technology."""
    from axe_core_python.selenium import Axe

    found = Axe().run(driver)
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]]
