"""Reports of tests in the form that continuous integration reads (JUnit's XML)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring  # writes XML, reads none

from ael.app.testing import FileReport, TestReport

#: What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(reports: Sequence[FileReport]) -> bytes:
    """Return the report as UTF-8 XML: one suite a file, one case a test; a file that is not valid is an error."""
    root = Element("testsuites", name="ael test")
    for report in reports:
        if not report.tests and not report.problems:
            continue
        failures = sum(not test.passed for test in report.tests)
        suite = SubElement(
            root,
            "testsuite",
            name=_text(report.file),
            tests=str(len(report.tests) or 1),
            failures=str(failures),
            errors=str(int(bool(report.problems))),
            time=_seconds(sum(test.duration_ms for test in report.tests)),
        )
        for test in report.tests:
            _case(suite, test)
        if report.problems:
            case = SubElement(suite, "testcase", name="the file is valid", classname=_text(report.file))
            error = SubElement(case, "error", message=_text(report.problems[0].message))
            error.text = _text("\n".join(problem.render() for problem in report.problems))
    made: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return made


def _case(suite: Element, test: TestReport) -> None:
    case = SubElement(
        suite, "testcase", name=_text(test.name), classname=_text(test.workflow), time=_seconds(test.duration_ms)
    )
    if test.passed:
        return
    failure = SubElement(case, "failure", message=_text(test.mismatches[0].message))
    lines: list[str] = []
    for mismatch in test.mismatches:
        lines += [mismatch.message, *(f"  {line}" for line in mismatch.difference)]
    if test.error is not None:
        lines.append(str(test.error))
    failure.text = _text("\n".join(lines))


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
