"""Faults of pySigma's back ends that are known: where a query is not what its rule says."""

from __future__ import annotations

from harness.diagnostics import Finding
from harness.scenario.sigma.collection import SigmaSubject


def find_converter_faults(subject: SigmaSubject, language: str, text: str) -> tuple[Finding, ...]:
    """What a conversion is known to get wrong, at the place in the rule."""
    return ()
