"""Events in XML that differ in their values alone: what stands where in them, learned from one that is read alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.line_forms import LineForm, LineValue
from harness.telemetry.events.text_slices import Places, find_bytes, have_text
from harness.telemetry.events.windows_event import ATTRIBUTE, decode_entities, fields_of_event
from harness.telemetry.simulation.identity import Bytes

TAG = late_pattern(r"<(?P<close>/)?(?P<name>[\w.:-]+)(?P<attributes>[^<>]*?)(?P<empty>/)?>")
# Attributes that a value is made of, one blank before each but the first.
PLAIN_ATTRIBUTES = late_pattern(r"(?:[\w.:-]+='[^'<>&]*'(?: (?=\S)|$))+")
OPEN_BRACKET, CLOSE_BRACKET = b"<>"
# Numbers pass for a value of any kind, and none of these is one by chance: it is looked for in the event first.
FIRST_MARKER = 918_273_640_000_000
# Names of spaces are no fields, those of data are those of fields.
CONSTANT_TAGS = frozenset({"Event", "Data"})


@record
class XmlField:
    """Where a field is: the number of a value, and of which attribute in it where the value is attributes."""

    value: int
    attribute: int | None = None


@record
class XmlForm:
    """Fields of events with the same tags: values of them, or the same in all.

    `attributes` are the names in those values that are attributes of a tag; `solid` are the values that are neither
    empty nor begin or end with a blank: of those in System they would be no field, or another.
    """

    fields: Mapping[str, XmlField | str]
    attributes: Mapping[int, tuple[str, ...]]
    solid: frozenset[int]


@dataclass(slots=True)
class MarkedEvents:
    """Elements of events in a text: where they begin and end, and the places of their brackets."""

    data: Bytes
    begins: Places
    ends: Places
    opens: Places
    closes: Places
    first_opens: Places
    first_closes: Places
    counts: Places
    sound: npt.NDArray[np.bool_]

    def list_marks(self, rows: Places, numbers: Places) -> Places:
        """Some marks of events that have as many, a row a mark: brackets from 0 on, the end."""
        marks = np.empty((len(numbers), len(rows)), np.int64)
        brackets, opened = numbers[:-1] // 2, numbers[:-1] % 2 == 0
        marks[:-1][opened] = self.opens[self.first_opens[rows] + brackets[opened][:, None]]
        marks[:-1][~opened] = self.closes[self.first_closes[rows] + brackets[~opened][:, None]]
        marks[-1] = self.ends[rows]
        return marks

    def line(self, row: int) -> bytes:
        """The bytes of one event."""
        return self.data[self.begins[row] : self.ends[row]].tobytes()


START_TAG, END_TAG = b"<Event", b"</Event>"
BLANKS = b" \t\r\n\x0b\x0c"


def mark_events(piece: bytes) -> MarkedEvents | None:
    """The events of a text that ends with one; None where they do not follow one another."""
    data = np.frombuffer(piece, np.uint8)
    opens, closes = find_bytes(data, OPEN_BRACKET), find_bytes(data, CLOSE_BRACKET)
    within = opens[opens < len(data) - len(END_TAG)]
    named = within[have_text(data, within, START_TAG)]
    behind = data[named + len(START_TAG)]
    begins = named[np.isin(behind, np.frombuffer(BLANKS + b">", np.uint8))]
    last = opens[opens <= len(data) - len(END_TAG)]
    ends = last[have_text(data, last, END_TAG)] + len(END_TAG)
    if len(begins) != len(ends) or (begins >= ends).any() or (begins[1:] < ends[:-1]).any():
        return None
    first_opens, first_closes = np.searchsorted(opens, begins), np.searchsorted(closes, begins)
    counts = np.searchsorted(opens, ends) - first_opens
    sound = counts == np.searchsorted(closes, ends) - first_closes
    return MarkedEvents(data, begins, ends, opens, closes, first_opens, first_closes, counts, sound)


@dataclass(slots=True)
class XmlFormReader:
    """Reads the form of one event."""

    text: str
    values: list[LineValue] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    attributes: dict[int, tuple[str, ...]] = field(default_factory=dict)
    system: set[int] = field(default_factory=set)

    def read(self) -> tuple[LineForm, XmlForm] | None:
        """The form; None for an event that is read alone."""
        if "<!" in self.text or "<?" in self.text:
            return None
        tags = list(TAG.finditer(self.text))
        if not tags or len(tags) != self.text.count("<") or len(tags) != self.text.count(">"):
            return None
        for number, tag in enumerate(tags):
            self.read_tag(number, tag, tags[number + 1] if number + 1 < len(tags) else None)
        return self.build(2 * len(tags) + 1) if self.values else None

    def read_tag(self, number: int, tag: re.Match[str], behind: re.Match[str] | None) -> None:
        """Takes the values in a tag, and behind it where its element has no other in it."""
        begin, end = tag.span("attributes")
        held = self.text[begin:end].strip()
        if held and tag["name"] not in CONSTANT_TAGS and PLAIN_ATTRIBUTES.fullmatch(held):
            begin += self.text[begin:end].index(held)
            end = begin + len(held)
            names = tuple(name for name, _, _ in ATTRIBUTE.findall(held))
            self.attributes[len(self.values)] = names
            self.add(2 * number, begin - tag.start(), begin, 2 * number + 1, end - tag.end() + 1, end)
        opened = not tag["close"] and not tag["empty"]
        if opened and behind is not None and behind["close"] and behind["name"] == tag["name"]:
            self.add(2 * number + 1, 1, tag.end(), 2 * number + 2, 0, behind.start())

    def add(self, first: int, offset: int, begin: int, last: int, end_offset: int, end: int) -> None:
        """Takes the value between two places of the text, by the marks before and behind it."""
        if begin < self.text.find("</System>"):
            self.system.add(len(self.values))
        self.values.append(LineValue(str(len(self.values)), True, first, offset, last, end_offset))
        self.places.append((begin, end))

    def build(self, marks: int) -> tuple[LineForm, XmlForm] | None:
        """The form, if it says of this event what is read of it alone."""
        between, done = [], 0
        for begin, end in self.places:
            between.append(self.text[done:begin].encode("latin-1"))
            done = end
        form = LineForm(tuple(self.values), (*between, self.text[done:].encode("latin-1")), marks)
        marked, numbers = self.mark_values()
        try:
            found, own = fields_of_event(restore_text(marked)), fields_of_event(restore_text(self.text))
        except ValueError:
            return None
        fields = {name: numbers.get(text, text) for name, text in found.items()}
        said = {name: self.print_field(held) for name, held in fields.items()}
        if list(said.items()) != list(own.items()):
            return None
        return form, XmlForm(fields, self.attributes, frozenset(self.system))

    def mark_values(self) -> tuple[str, dict[str, XmlField]]:
        """The event with another number in the place of each value, and which number is which."""
        numbers: dict[str, XmlField] = {}
        parts, done = [], 0
        for value, (begin, end) in enumerate(self.places):
            parts.append(self.text[done:begin])
            names = self.attributes.get(value)
            fields = [XmlField(value, i) for i in range(len(names))] if names is not None else [XmlField(value)]
            made = [str(FIRST_MARKER + len(numbers) + i) for i in range(len(fields))]
            numbers.update(zip(made, fields, strict=True))
            said = " ".join(f"{name}='{text}'" for name, text in zip(names, made, strict=True)) if names else made[0]
            parts.append(said)
            done = end
        return "".join([*parts, self.text[done:]]), numbers

    def print_field(self, held: XmlField | str) -> str:
        """What a field of this event is."""
        if isinstance(held, str):
            return held
        begin, end = self.places[held.value]
        text = restore_text(self.text[begin:end])
        return decode_entities(text) if held.attribute is None else split_attributes(text)[held.attribute]


def read_event_form(event: bytes) -> tuple[LineForm, XmlForm] | None:
    """The form of an event; None for one that is read alone."""
    # A letter a byte, since places are counted in bytes.
    return XmlFormReader(event.decode("latin-1")).read()


def restore_text(text: str) -> str:
    """The text whose bytes are taken for letters."""
    return text.encode("latin-1").decode("utf-8")


def split_attributes(text: str) -> list[str]:
    """The values of attributes."""
    return [single or double for _, single, double in ATTRIBUTE.findall(text)]
