# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as JUnit XML, which GitLab, Jenkins and Meson read.

A violation is a `failure`; an error of the model or the machine, and whatever was not decided, is an `error`: neither
counts as passed.  There are no times in it, so that two runs give the same bytes.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from lostirq.report.results import Result, Results, Status

_ERRORS = (Status.ERROR, Status.UNDECIDED, Status.TIMEOUT)
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Results) -> str:
    """An XML document."""
    root = ElementTree.Element("testsuites", {"name": results.command, **_counts(list(results.results))})
    for suite, found in results.suites().items():
        node = ElementTree.SubElement(root, "testsuite", {"name": _legal(suite), **_counts(found)})
        for r in found:
            node.append(_case(r))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counts(found: list[Result]) -> dict[str, str]:
    return {"tests": str(len(found)), "failures": str(sum(r.status is Status.FAIL for r in found)),
            "errors": str(sum(r.status in _ERRORS for r in found)),
            "skipped": str(sum(r.status is Status.SKIP for r in found))}


def _case(r: Result) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_legal(r.suite), name=_legal(r.name))
    if r.status is Status.SKIP:
        ElementTree.SubElement(case, "skipped", message=_legal(r.message or "skipped"))
    elif r.status is not Status.PASS:
        kind = "failure" if r.status is Status.FAIL else "error"
        node = ElementTree.SubElement(case, kind, type=r.status.value, message=_legal(r.said))
        node.text = _legal(r.details) or None
    return case


def _legal(text: str) -> str:
    return _ILLEGAL.sub("?", text)
