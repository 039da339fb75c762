"""JUnit XML for build servers: one test case an expectation and a signal, failures with the whole explanation.

A known gap is skipped with its reason, so that no viewer counts it among what passes; `junit-10.xsd` of Jenkins' xUnit
plug-in knows no properties of a test case, so those that there are stand at the suite.
"""

from __future__ import annotations

from xml.etree import ElementTree as etree

from harness.late_pattern import late_pattern
from harness.record import record
from harness.report.console import escape_controls, one_line
from harness.report.query_steps import format_result
from harness.report.report import Report, expectation_name, signal_name
from harness.report.sentences import fault, headline
from harness.scenario.scenario import Scenario
from harness.verdict.gates import GateFailure
from harness.verdict.verdict import Broken, Verdict, Visibility

# The characters that XML 1.0 has (section 2.2); ElementTree writes all others too, and then nobody can read the file.
NOT_IN_XML = late_pattern("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@record
class JUnit:
    """One test suite a scenario; times are equal shares of what was judged together."""

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
        for failure in report.gates:
            suite(root, suites, str(failure.rule), None).append(gate_case(failure))
        # Counted at the end from what is there; build servers trust these numbers.
        for element in (*suites.values(), root):
            count_cases(element, root=element is root)
            if report.began and element is not root:
                element.set("timestamp", report.began.replace("Z", "+00:00"))
        etree.indent(root)
        return f'<?xml version="1.0" encoding="utf-8"?>\n{etree.tostring(root, encoding="unicode")}\n'


COUNTS = {"testcase": "tests", "failure": "failures", "error": "errors", "skipped": "skipped"}


def count_cases(element: etree.Element, *, root: bool) -> None:
    """Sets the numbers of a suite, or of all, and how long they took."""
    for name, attribute in COUNTS.items():
        # The schema has no number of skipped cases for all suites together.
        if not (root and name == "skipped"):
            element.set(attribute, str(sum(1 for _ in element.iter(name))))
    if not root:
        seconds = sum(float(case.get("time", "0")) for case in element.iter("testcase"))
        element.set("time", f"{seconds:.3f}")


def suite(root: etree.Element, suites: dict[str, etree.Element], path: str, scenario: Scenario | None) -> etree.Element:
    """The test suite of a scenario, made when it is first needed."""
    if path not in suites:
        suites[path] = etree.SubElement(root, "testsuite", name=legal(path), file=legal(path))
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
    case.set("time", f"{verdict.seconds:.3f}")
    if not verdict.as_expected:
        etree.SubElement(case, "failure", message=legal(headline(verdict))).text = legal(format_result(verdict))
    elif verdict.observed.gap:
        told = f"known gap, {verdict.observed}: {one_line(verdict.expectation.because)}"
        etree.SubElement(case, "skipped", type="known gap", message=legal(told))
    return case


def signal_case(visibility: Visibility) -> etree.Element:
    """One signal."""
    name = signal_name(visibility.signal)
    case = etree.Element("testcase", classname=legal(str(visibility.scenario.path)), name=legal(name))
    case.set("time", f"{visibility.seconds:.3f}")
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


def gate_case(failure: GateFailure) -> etree.Element:
    """What a rule does not reach of what is asked for."""
    case = etree.Element("testcase", classname=legal(str(failure.rule)), name=legal(f"gate {failure.gate}"))
    etree.SubElement(case, "failure", message=legal(failure.message)).text = legal(failure.message)
    return case


def legal(text: str) -> str:
    """The text without characters that XML does not have."""
    return NOT_IN_XML.sub("?", escape_controls(text))


FORMAT = JUnit()
