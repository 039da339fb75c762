"""Where a trial's events lie on somebody's product, apart from everything else that is there."""

from __future__ import annotations

from collections.abc import Sequence

from harness.diagnostics import HarnessError, Span
from harness.record import record

NAME_MARK = "detlab"
"""What the names of all that is made on a product begin with."""


@record(kw_only=True)
class Enclosure:
    """The place of one trial's events: a name that nothing else has, and which `part` of them, all without one.

    Splunk has an index for each part and each index that the events are of; LogScale has tags.
    """

    name: str
    part: str = ""

    def index_of(self, index: str) -> str:
        """The index on a Splunk that stands for an index of the events; both may be patterns."""
        # A hyphen, so that the pattern of trial 1 is not that of trial 12 too.
        return f"{self.name}-{self.part or '*'}_{index}"

    @property
    def index_pattern(self) -> str:
        """What takes the enclosure's part from the name of an index, as a regular expression."""
        return f"^{self.name}-[a-z]+_"

    def only(self, part: str) -> Enclosure:
        """The same place, one part of its events."""
        return Enclosure(name=self.name, part=part)


TextEdit = tuple[int, int, str]
"""A stretch of a text from one place up to another, and what takes its place."""


class CannotEncloseError(HarnessError):
    """A query that would read events from elsewhere than the trial's own."""


def refuse_to_enclose(what: str, place: Span) -> CannotEncloseError:
    """The error about a part of a query that chooses its events by itself."""
    message = f"{what} ({place}) does not read the events that were sent for the trial"
    return CannotEncloseError("cannot-supply", message, help="run it on an engine that runs plans, such as duckdb")


def edit_text(text: str, edits: Sequence[TextEdit]) -> str:
    """The text with stretches of it replaced; they do not overlap."""
    # From the end, so that places before stay right; of two at one place the later stands further on.
    for start, end, replacement in sorted(edits, key=lambda e: (e[0], e[1]), reverse=True):
        text = text[:start] + replacement + text[end:]
    return text
