"""Records of event logs by their columns: values of many records of one template at once, without an object a record.

A record is a template and the values to be put into it. Records whose values have the same kinds are alike; what the
`evtx` package makes of them is learned from it once, on records with made values, and then holds for all of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.record import record
from harness.telemetry.events.binary_values import BINARY_XML, FIXED_SIZES, READ_KINDS
from harness.telemetry.events.binary_xml import FRAGMENT, TEMPLATE_HEADER, Templates
from harness.telemetry.events.text_slices import Places, gather_bytes, gather_numbers
from harness.telemetry.simulation.identity import Bytes

# The format's own sizes (libyal/libevtx).
CHUNK, CHUNK_HEADER = 65536, 512
RECORD_MAGIC = 0x2A2A
RECORD_HEADER = 24
TEMPLATE_INSTANCE = 0x0C
# The widest template of Windows has some 130 values; a bound for input made to grow.
MOST_RECORD_VALUES = 1_000

Flags = npt.NDArray[np.bool_]


@record
class Values:
    """Where the values of one kind lie in records that are alike: their places and sizes, a row a record."""

    kind: int
    at: Places
    sizes: Places

    def take(self, rows: Places | slice) -> Values:
        """Those of some records."""
        return Values(self.kind, self.at[rows], self.sizes[rows])


@record
class AlikeRecords:
    """Records with the same templates and kinds of values: their numbers in the batch, what they agree in, values."""

    rows: Places
    key: tuple[object, ...]
    values: tuple[Values, ...]


@record
class Instances:
    """Uses of templates: the record that each is in, the place of its first byte and the end of what it may fill."""

    rows: Places
    at: Places
    end: Places

    def take(self, chosen: Places | Flags) -> Instances:
        """Some of them."""
        return Instances(self.rows[chosen], self.at[chosen], self.end[chosen])


@record
class RecordBatch:
    """Chunks one behind another: their bytes, the log's header, and for each chunk the number of its first record."""

    header: bytes
    data: Bytes
    first_rows: Places


@dataclass(slots=True)
class RecordSplitter:
    """Finds out which records of some chunks are alike; those of a form that is not read here are in no group."""

    data: Bytes
    chunks: Sequence[bytes]
    templates: Templates
    known: dict[int, int] = field(default_factory=dict)

    def split(self, at: Places, ends: Places) -> Iterator[AlikeRecords]:
        """The records that begin and end at these places, in groups."""
        begin = at + RECORD_HEADER
        fits = ends - begin > len(FRAGMENT) + 10
        rows = np.flatnonzero(fits).astype(np.int64)
        yield from self.split_fragments(Instances(rows, begin[rows], ends[rows]))

    def split_fragments(self, given: Instances) -> Iterator[AlikeRecords]:
        """Fragments of binary XML in groups of the same template and kinds of values."""
        here = given.take((given.end - given.at > len(FRAGMENT) + 14) & (given.end <= len(self.data)))
        head = gather_bytes(self.data, here.at, len(FRAGMENT) + 2)
        wanted = np.frombuffer(FRAGMENT + bytes((TEMPLATE_INSTANCE, 1)), np.uint8)
        here = here.take((head == wanted).all(axis=1))
        if not len(here.rows):
            return
        numbers, counts, descriptors = self.find_descriptors(here)
        fits = (numbers >= 0) & (counts > 0) & (counts <= MOST_RECORD_VALUES) & (descriptors + 4 * counts <= here.end)
        pairs = numbers * (MOST_RECORD_VALUES + 1) + counts
        for pair in np.unique(pairs[fits]).tolist():
            some = np.flatnonzero(fits & (pairs == pair))
            number, count = divmod(pair, MOST_RECORD_VALUES + 1)
            yield from self.split_values(number, count, here.take(some), descriptors[some])

    def find_descriptors(self, here: Instances) -> tuple[Places, Places, Places]:
        """The template of each use, the number of its values, and where these are described."""
        at = here.at + len(FRAGMENT)
        definition = gather_numbers(self.data, at + 6, "<u4").astype(np.int64)
        base = at & ~(CHUNK - 1)
        behind = at + 10
        own = definition == behind - base
        # A definition stands in the record that uses it first.
        size = np.zeros(len(at), np.int64)
        lies = own & (behind + TEMPLATE_HEADER <= here.end)
        size[lies] = TEMPLATE_HEADER + gather_numbers(self.data, behind[lies] + 20, "<u4")
        behind += size
        fits = (own == lies) & (definition < CHUNK) & (behind + 4 <= here.end)
        counts = np.zeros(len(at), np.int64)
        counts[fits] = gather_numbers(self.data, behind[fits], "<u4")
        numbers = np.full(len(at), -1, np.int64)
        numbers[fits] = self.identify((base + definition)[fits])
        return numbers, counts, behind + 4

    def identify(self, places: Places) -> Places:
        """The number of the template that is defined at each place."""
        found, which = np.unique(places, return_inverse=True)
        return np.array([self.identify_one(place) for place in found.tolist()], np.int64)[which.ravel()]

    def identify_one(self, place: int) -> int:
        """The number of the template at one place."""
        known = self.known.get(place)
        if known is None:
            number, at = divmod(place, CHUNK)
            known = self.known[place] = self.templates.identify(self.chunks[number], at)
        return known

    def split_values(self, template: int, count: int, here: Instances, descriptors: Places) -> Iterator[AlikeRecords]:
        """Uses of one template in groups of the same kinds of values."""
        words = gather_bytes(self.data, descriptors, 4 * count).view("<i4")
        sizes = words & 0xFFFF
        # An empty value is no value, whatever its kind.
        kinds = np.where(sizes == 0, 0, words >> 16 & 0xFF).astype(np.uint8)
        behind = np.cumsum(sizes, axis=1, dtype=np.int64)
        behind += (descriptors + 4 * count)[:, None]
        fits = behind[:, -1] <= here.end
        at = behind - sizes
        for some in group_equal_rows(kinds):
            some = some[fits[some]]
            if len(some):
                alike = kinds[some[0]].tolist()
                yield from self.split_nested(template, alike, here.take(some), at[some].T, sizes[some].T)

    def split_nested(
        self, template: int, kinds: Sequence[int], here: Instances, at: Places, sizes: Places
    ) -> Iterator[AlikeRecords]:
        """Uses that have the same kinds of values in groups of what is nested in them."""
        nested = [i for i, kind in enumerate(kinds) if kind == BINARY_XML]
        plain = [i for i, kind in enumerate(kinds) if kind not in (0, BINARY_XML)]
        if len(nested) > 1 or any(kinds[i] not in READ_KINDS for i in plain):
            return
        wrong = np.zeros(len(here.rows), bool)
        for i in plain:
            if kinds[i] in FIXED_SIZES:
                wrong |= sizes[i] != FIXED_SIZES[kinds[i]]
        if wrong.any():
            here, at, sizes = here.take(~wrong), at[:, ~wrong], sizes[:, ~wrong]
        values = tuple(Values(kinds[i], at[i], sizes[i]) for i in plain)
        key = (template, bytes(kinds))
        if not nested:
            yield AlikeRecords(here.rows, key, values)
            return
        begin = at[nested[0]]
        inner = Instances(np.arange(len(begin)), begin, begin + sizes[nested[0]])
        for alike in self.split_fragments(inner):
            outer = tuple(each.take(alike.rows) for each in values)
            yield AlikeRecords(here.rows[alike.rows], (*key, *alike.key), (*outer, *alike.values))


def group_equal_rows(rows: Bytes) -> Iterator[Places]:
    """The numbers of rows of bytes that are equal, for each that there is."""
    if (rows == rows[0]).all():
        yield np.arange(len(rows))
        return
    # As texts, which are compared byte by byte; records of numbers are compared ten times slower.
    texts = np.ascontiguousarray(rows).view(f"S{rows.shape[1]}").ravel()
    found, which = np.unique(texts, return_inverse=True)
    for form in range(len(found)):
        yield np.flatnonzero(which.ravel() == form)


def find_records(chunk: bytes) -> Places | None:
    """Where each record of a chunk begins, and where the last one ends.

    None where they do not follow one another to the place that the chunk names.
    """
    free: int = struct.unpack_from("<I", chunk, 48)[0]
    if not CHUNK_HEADER < free <= CHUNK or free % 8:
        return None
    # Records begin at every eighth byte; a value that looks like a beginning breaks the chain.
    words = np.frombuffer(chunk, "<u4")
    begins = np.flatnonzero(words[CHUNK_HEADER // 4 : free // 4 : 2] == RECORD_MAGIC) * 2 + CHUNK_HEADER // 4
    places = np.append(begins * 4, free)
    whole = len(begins) and places[0] == CHUNK_HEADER and (words[begins + 1] == np.diff(places)).all()
    return places if whole and int(np.diff(places).min()) > RECORD_HEADER + 4 else None
