"""Regular expressions of modules, compiled late."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module

import harness
from harness.late_pattern import LatePattern, late_pattern


def test_is_a_regular_expression() -> None:
    word = late_pattern(r"(\w+) (?P<second>\w+)", re.IGNORECASE)
    found = word.search("Two words")
    assert found and found["second"] == "words"
    assert (word.pattern, word.groups, word.flags & re.IGNORECASE) == (r"(\w+) (?P<second>\w+)", 2, re.IGNORECASE)
    assert word.sub(r"\2", "a b") == "b"


def test_each_one_compiles() -> None:
    seen = 0
    for module in pkgutil.walk_packages(harness.__path__, "harness."):
        if ".bundled" in module.name:
            continue
        try:
            names = vars(import_module(module.name))
        except ImportError:
            # An extra that is not installed here.
            continue
        for value in names.values():
            if isinstance(value, LatePattern):
                seen += 1
                re.compile(*value._made)
    assert seen > 100
