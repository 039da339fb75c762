"""pySigma's Splunk and LogScale back ends, each with the pipelines that its users choose for Windows events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sigma.backends.crowdstrike import LogScaleBackend
from sigma.backends.splunk import SplunkBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.pipelines.splunk import splunk_windows_pipeline
from sigma.pipelines.sysmon import sysmon_pipeline
from sigma.pipelines.windows import windows_logsource_pipeline

from harness.diagnostics import HarnessError

# Made anew for each rule: pipelines remember what they applied.
BACKENDS: dict[str, Callable[[], Any]] = {
    "spl": lambda: SplunkBackend(sysmon_pipeline() + splunk_windows_pipeline()),
    "cql": lambda: LogScaleBackend(sysmon_pipeline() + windows_logsource_pipeline()),
}
"""How pySigma makes a query of each language.

The languages are named here because pySigma names them: each back end is a package of its own with its own class, and
which pipelines go with it is its users' custom. A language that is not here has no converted rules.
"""


def convert_sigma(text: str) -> dict[str, str]:
    """The rule's text in each language; raises HarnessError with pySigma's reason where one cannot be had."""
    return {language: query(text, language, make) for language, make in BACKENDS.items()}


def query(text: str, language: str, make: Callable[[], Any]) -> str:
    """The one query of a rule in one language."""
    try:
        queries = make().convert(SigmaCollection.from_yaml(text))
    except SigmaError as error:
        raise HarnessError("sigma", f"pySigma gives no {language.upper()} for this rule: {error}") from error
    except NotImplementedError as error:
        raise HarnessError("sigma", f"pySigma's {language.upper()} back end lacks: {error}") from error
    # Rules of several documents (correlations) give more: which of them is the rule, nobody says.
    if len(queries) != 1:
        raise HarnessError("sigma", f"the rule becomes {len(queries)} queries of {language.upper()}, not one")
    return str(queries[0])
