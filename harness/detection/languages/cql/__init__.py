"""CQL, the query language of CrowdStrike LogScale (formerly Humio)."""

from __future__ import annotations

from harness.detection.languages.cql import functions
from harness.detection.languages.cql.language import Cql
from harness.detection.languages.cql.registry import FUNCTIONS

assert functions


LANGUAGE = Cql()
__all__ = ["FUNCTIONS", "LANGUAGE"]
