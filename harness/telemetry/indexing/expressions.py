"""Regular expressions of props.conf and transforms.conf: PCRE, within a bound of time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import regex

from harness.diagnostics import HarnessError

# Settings come from anybody's app: Splunk bounds the steps of a match (MATCH_LIMIT), here time is bounded.
LONGEST_MATCH = 2.0
"""Seconds that one text may take."""
LONGEST_PATTERN = 16_384


@lru_cache(512)
def compile_setting_regex(pattern: str) -> BoundedRegex:
    """The expression of a setting; raises HarnessError where it cannot be read."""
    try:
        if len(pattern) > LONGEST_PATTERN:
            raise ValueError(f"it is longer than {LONGEST_PATTERN:,} characters")
        # The package `regex`, since `re` has neither recursion, as PCRE has, nor a time limit.
        return BoundedRegex(regex.compile(pattern, regex.VERSION0))
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        reason = str(error).lower()[:120] or "nested too deep"
        message = f"the regular expression `{pattern[:60]}` cannot be read: {reason}"
        raise HarnessError("bad-regex", message) from error


class BoundedRegex:
    """A regular expression whose searches end in time."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.groups = int(compiled.groups)

    def search(self, text: str, start: int = 0) -> Any:
        """The first match from `start` on. Raises HarnessError after LONGEST_MATCH seconds."""
        try:
            return self.compiled.search(text, start, timeout=LONGEST_MATCH)
        except TimeoutError:
            raise self.slow() from None

    def every(self, text: str) -> list[Any]:
        """All matches. Raises HarnessError after LONGEST_MATCH seconds."""
        try:
            return list(self.compiled.finditer(text, timeout=LONGEST_MATCH))
        except TimeoutError:
            raise self.slow() from None

    def slow(self) -> HarnessError:
        """The error of an expression that takes too long."""
        message = f"the regular expression `{self.compiled.pattern[:60]}` took longer than {LONGEST_MATCH:g} s"
        return HarnessError("regex-timeout", message, help="rewrite nested repetitions such as `(a+)+`")
