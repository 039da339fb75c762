"""What the `evtx` package makes of records that are alike, learned from it once: which value has which name."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from string import ascii_letters
from typing import Any

import msgspec
import numpy as np

from harness.record import record
from harness.telemetry.events.binary_records import CHUNK, AlikeRecords, RecordBatch, Values
from harness.telemetry.events.binary_values import FILE_TIME, SID, TRUTH, WIDE_TEXT, print_binary_values
from harness.telemetry.events.event_xml import holds_more_than_data
from harness.telemetry.events.evtx_records import decode_event, list_chunk_records
from harness.telemetry.events.text_slices import Places
from harness.telemetry.events.windows_event import from_rendered
from harness.telemetry.simulation.identity import Bytes

# Two values that differ are equal by chance in one of 52^4 cases, the fewest, which texts of one letter have; of truths
# 14 can be told apart.
SAMPLES = 4
MADE_LETTERS = "".join(ascii_letters[i % len(ascii_letters)] for i in range(256)).encode()
# In ticks of 100 ns since 1601: the year 2001 and 20 years.
FIRST_MADE_TIME, MADE_TIMES = 126_227_808_000_000_000, 6_311_520_000_000_000
# S-1-5, with the number of parts behind it in its second byte.
SID_START = b"\x01\x00\x00\x00\x00\x00\x00\x05"


@record(kw_only=True)
class RecordLayout:
    """The fields of records that are alike: all names in their order, and what each holds.

    That is the number of a value, or a text that is the same in all records. `keep` says that a record holds more than
    its fields do.
    """

    fields: Mapping[str, int | str]
    keep: bool


def learn_layout(alike: AlikeRecords, batch: RecordBatch) -> RecordLayout | None:
    """How records that are alike are read; None where the package's answer does not tell.

    Values of some of them are overwritten with others of the same kind and size, and what of the package's answer
    changes as a value does is that value.
    """
    numbers = alike.values[0].at // CHUNK
    chunk = int(np.bincount(numbers - numbers[0]).argmax() + numbers[0])
    rows = np.flatnonzero(numbers == chunk)[:SAMPLES]
    passes = -(-SAMPLES // len(rows))
    made = np.concatenate([batch.data[chunk * CHUNK : (chunk + 1) * CHUNK]] * passes)
    values = [spread_values(each, rows, passes, chunk * CHUNK) for each in alike.values]
    overwrite_values(made, values)
    ordinals = (alike.rows[rows] - batch.first_rows[chunk]).tolist()
    try:
        events = [event for held in np.split(made, passes) for event in list_events(batch.header, held, ordinals)]
        return match_fields(events, expect_texts(made, values))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError):
        return None


def spread_values(values: Values, rows: Places, passes: int, base: int) -> Values:
    """The values of some rows of a chunk, in copies of it that lie one behind another."""
    at = values.at[rows] - base
    return Values(
        values.kind,
        np.concatenate([at + copy * CHUNK for copy in range(passes)]),
        np.concatenate([values.sizes[rows]] * passes),
    )


def overwrite_values(data: Bytes, values: Sequence[Values]) -> None:
    """Puts others of the same kind and size in the place of values."""
    # The same ones in each run: a layout must not hang on chance.
    random = Random(0)
    truths = 0
    for each in values:
        truths += each.kind == TRUTH
        for sample, (at, size) in enumerate(zip(each.at.tolist(), each.sizes.tolist(), strict=True)):
            # Truth has two values only, so each has a pattern of its own over the samples.
            new = make_value(each.kind, size, random, truth=bool(truths >> sample % SAMPLES & 1))
            data[at : at + len(new)] = np.frombuffer(new, np.uint8)


def make_value(kind: int, size: int, random: Random, *, truth: bool) -> bytes:
    """A value of a kind."""
    if kind == WIDE_TEXT:
        return random.randbytes(size // 2).translate(MADE_LETTERS).decode().encode("utf-16-le")
    if kind == TRUTH:
        return struct.pack("<I", truth)
    if kind == FILE_TIME:
        return struct.pack("<Q", FIRST_MADE_TIME + random.randrange(MADE_TIMES))
    if kind == SID and size > len(SID_START):
        return SID_START[:1] + bytes(((size - 8) // 4,)) + SID_START[2:] + random.randbytes(size - 8)
    return random.randbytes(size)


def list_events(header: bytes, chunk: Bytes, ordinals: Sequence[int]) -> Iterator[Any]:
    """The events of some records of a chunk. Raises ValueError where the package cannot read one before the last."""
    records = list_chunk_records(header, chunk.tobytes())
    wanted = set(ordinals)
    for ordinal, each in enumerate(records):
        if isinstance(each, Exception):
            raise ValueError(str(each))
        if ordinal in wanted:
            yield decode_event(each)
        if ordinal == max(ordinals):
            return
    raise ValueError("the chunk has fewer records")


def expect_texts(data: Bytes, values: Sequence[Values]) -> list[tuple[str, ...]]:
    """What the made values are as text, those of each over all samples. Raises ValueError for one that has none."""
    found = []
    for each in values:
        column = print_binary_values(data, each.kind, [each.at], [each.sizes])[0]
        if len(column.odd):
            raise ValueError("a made value has no text")
        found.append(tuple(column.texts.to_pylist()))
    return found


def match_fields(events: Sequence[Any], texts: Sequence[tuple[str, ...]]) -> RecordLayout | None:
    """Which text of the package's answers is which value."""
    kept = {holds_more_than_data(event) for event in events}
    answers = [from_rendered(event) for event in events]
    if len(kept) > 1 or any(list(answer) != list(answers[0]) for answer in answers):
        return None
    numbers: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, each in enumerate(texts):
        numbers[each].append(number)
    fields: dict[str, int | str] = {}
    for name in answers[0]:
        over = tuple(answer[name] for answer in answers)
        same = numbers.get(over, [])
        if len(same) == 1:
            fields[name] = same[0]
        elif not same and len(set(over)) == 1:
            fields[name] = over[0]
        else:
            return None
    return RecordLayout(fields=fields, keep=kept.pop())
