"""JUnit XML for build servers: one test case an expectation and a signal, failures with the whole explanation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree as etree

from harness.report.console import escape_controls, one_line
from harness.report.query_steps import format_result
from harness.report.report import Report, expectation_name, signal_name
from harness.report.sentences import fault, headline
from harness.scenario.scenario import Scenario
from harness.verdict.verdict import Broken, Verdict, Visibility

# The characters that XML 1.0 has (section 2.2); ElementTree writes all others too, and then nobody can read the file.
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class JUnit:
    """One test suite a scenario."""

    suffix: str = "xml"

    def write(self, report: Report) -> str:
        """The whole report."""
        outcomes = report.outcomes
        root = etree.Element("testsuites", name="detlab", time=f"{outcomes.seconds:.3f}")
        suites: dict[str, etree.Element] = {}
        for visibility in outcomes.visibilities:
            suite(root, suites, str(visibility.scenario.path), visibility.scenario).append(signal_case(visibility))
        for verdict in outcomes.verdicts:
            suite(root, suites, str(verdict.scenario.path), verdict.scenario).append(verdict_case(verdict))
        for broken in outcomes.broken:
            suite(root, suites, broken.path, None).append(broken_case(broken))
        # Counted at the end from what is there; build servers trust these numbers.
        for element in (*suites.values(), root):
            for name in ("testcase", "failure", "error"):
                total = sum(1 for _ in element.iter(name))
                element.set({"testcase": "tests", "failure": "failures", "error": "errors"}[name], str(total))
        etree.indent(root)
        return f'<?xml version="1.0" encoding="utf-8"?>\n{etree.tostring(root, encoding="unicode")}\n'


def suite(root: etree.Element, suites: dict[str, etree.Element], path: str, scenario: Scenario | None) -> etree.Element:
    """The test suite of a scenario, made when it is first needed."""
    if path not in suites:
        suites[path] = etree.SubElement(root, "testsuite", name=legal(path))
        if scenario is not None:
            properties = etree.SubElement(suites[path], "properties")
            facts = {"title": scenario.body.title, "technique": scenario.body.technique}
            for name, value in facts.items():
                etree.SubElement(properties, "property", name=name, value=legal(one_line(value)))
    return suites[path]


def verdict_case(verdict: Verdict) -> etree.Element:
    """One expectation."""
    name = expectation_name(verdict.expectation)
    case = etree.Element("testcase", classname=legal(str(verdict.scenario.path)), name=legal(name))
    if not verdict.as_expected:
        etree.SubElement(case, "failure", message=legal(headline(verdict))).text = legal(format_result(verdict))
    return case


def signal_case(visibility: Visibility) -> etree.Element:
    """One signal."""
    name = signal_name(visibility.signal)
    case = etree.Element("testcase", classname=legal(str(visibility.scenario.path)), name=legal(name))
    if not visibility.as_expected:
        etree.SubElement(case, "failure", message=legal(headline(visibility))).text = legal(format_result(visibility))
    return case


def broken_case(broken: Broken) -> etree.Element:
    """What could not be judged."""
    case = etree.Element("testcase", classname=legal(broken.path), name="can be judged")
    text = fault(broken)
    # The message is all that most build servers show in a list.
    etree.SubElement(case, "error", message=legal(text.split("\n", 1)[0])).text = legal(text)
    return case


def legal(text: str) -> str:
    """The text without characters that XML does not have."""
    return NOT_IN_XML.sub("?", escape_controls(text))


FORMAT = JUnit()
