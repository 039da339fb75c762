"""Regular expressions compiled at their first use: a command imports some 400 of them and uses a fifth."""

from __future__ import annotations

import re
from typing import Any, cast


class LatePattern:
    """Stands for a compiled regular expression and becomes one, method by method."""

    def __init__(self, pattern: str, flags: int) -> None:
        """Nothing is compiled, so a mistake in the pattern shows at its first use; a test uses each."""
        self._made = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        """What the compiled expression has under that name; it is found at once when it is asked for again."""
        value = getattr(re.compile(*self._made), name)
        setattr(self, name, value)
        return value


def late_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A regular expression as `re.compile` gives it, for a module's own constants."""
    return cast("re.Pattern[str]", LatePattern(pattern, flags))
