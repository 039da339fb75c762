"""Relations between fields, held against recorded ones: names of SIDs, parents of programs, programs behind ports."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from harness.record import record
from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import encode_text, list_event_fields
from harness.telemetry.events.windows_event import SYSTEM_FIELDS

FEWEST_RECORDED = 8
"""Recorded events of a value before it says anything that none of them has another partner; chosen."""
FEWEST_SIMULATED = 200
FEWEST_VARIED = 20
"""Events of which a constant is told: so many simulated ones, and as many recorded that vary; chosen."""
MOST_TOLD = 12
COMMON = 0.02
"""A partner that fewer of a value's simulated events have is chance; chosen."""


@record(kw_only=True)
class Relation:
    """Two fields of which the first decides much about the second, and what of their values counts."""

    name: str
    first: str
    second: str
    of_first: Callable[[str], str | None]
    of_second: Callable[[str], str | None]


def file_name(text: str) -> str | None:
    """The name of a file without its folder, in lower case."""
    return text.rpartition("\\")[2].lower() or None


def well_known_sid(text: str) -> str | None:
    """A security identifier that is the same on every Windows."""
    return text if re.fullmatch(r"S-1-5-(18|19|20)|S-1-0-0", text) else None


def account_form(text: str) -> str | None:
    """An account's name; that of a machine whatever it is called."""
    return "HOST$" if text.endswith("$") else text


def port_form(text: str) -> str | None:
    """A port of a known service, or that it is one of those handed out."""
    return text if not text.isdecimal() or int(text) < 49152 else "ephemeral"


def result_form(text: str) -> str | None:
    """How the answer of a name query looks."""
    if text in ("", "-"):
        return "none"
    return "with CNAME" if "type:  5" in text else "addresses"


def same_text(text: str) -> str | None:
    """The value itself."""
    return text or None


RELATIONS: tuple[Relation, ...] = (
    Relation(
        name="account of a SID",
        first="SubjectUserSid",
        second="SubjectUserName",
        of_first=well_known_sid,
        of_second=account_form,
    ),
    Relation(
        name="account of a SID",
        first="TargetUserSid",
        second="TargetUserName",
        of_first=well_known_sid,
        of_second=account_form,
    ),
    Relation(name="parent of a program", first="Image", second="ParentImage", of_first=file_name, of_second=file_name),
    Relation(
        name="creator of a program",
        first="NewProcessName",
        second="ParentProcessName",
        of_first=file_name,
        of_second=file_name,
    ),
    Relation(
        name="program behind a port", first="DestinationPort", second="Image", of_first=port_form, of_second=file_name
    ),
    Relation(
        name="name of a port",
        first="DestinationPort",
        second="DestinationPortName",
        of_first=port_form,
        of_second=same_text,
    ),
    Relation(
        name="answer of a status", first="QueryStatus", second="QueryResults", of_first=same_text, of_second=result_form
    ),
    Relation(
        name="integrity of a program", first="Image", second="IntegrityLevel", of_first=file_name, of_second=same_text
    ),
)


@record(kw_only=True)
class BrokenRelation:
    """A value whose simulated partners no recorded event has, or a field that never varies and should."""

    field: str
    message: str
    recorded: str
    simulated: str


def compare_relations(recorded: Sequence[Events], simulated: Sequence[Events]) -> Iterator[BrokenRelation]:
    """Every relation of one kind in which simulated events are unlike recorded ones, the most frequent first."""
    for relation in RELATIONS:
        real, made = collect_pairs(recorded, relation), collect_pairs(simulated, relation)
        broken: list[tuple[int, BrokenRelation]] = []
        for value, partners in made.items():
            known = real.get(value, Counter())
            if sum(known.values()) < FEWEST_RECORDED:
                continue
            total = sum(partners.values())
            strange = Counter({p: n for p, n in partners.items() if p not in known and n >= COMMON * total})
            if strange:
                told = f"{relation.name}: `{value}` never has {', '.join(p for p, _ in strange.most_common(3))}"
                broken.append((sum(strange.values()), describe_break(relation, told, known, partners)))
        broken.sort(key=lambda each: -each[0])
        yield from (each for _, each in broken[:MOST_TOLD])
    yield from find_constants(recorded, simulated)


def describe_break(relation: Relation, told: str, known: Counter[str], partners: Counter[str]) -> BrokenRelation:
    """A broken relation with the partners of both sides."""
    return BrokenRelation(
        field=f"{relation.first}, {relation.second}",
        message=told,
        recorded=describe_counts(known),
        simulated=describe_counts(partners),
    )


def describe_counts(found: Counter[str]) -> str:
    """The most frequent values with their shares."""
    total = sum(found.values())
    return ", ".join(f"{value} {count / total:.0%}" for value, count in found.most_common(4))


def collect_pairs(events: Sequence[Events], relation: Relation) -> Mapping[str, Counter[str]]:
    """How often each partner of each value occurs."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for each in events:
        fields = list_event_fields(each)
        if relation.first not in fields or relation.second not in fields:
            continue
        first, of_first = encode_distinct(fields[relation.first], len(each), relation.of_first)
        second, of_second = encode_distinct(fields[relation.second], len(each), relation.of_second)
        # One number a pair: rows are counted by numpy, and only distinct pairs become Python's.
        pairs, counts = np.unique(first * (len(of_second) + 1) + second, return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            value, partner = of_first[pair // (len(of_second) + 1)], of_second[pair % (len(of_second) + 1)]
            if value is not None and partner is not None:
                found[value][partner] += count
    return found


def encode_distinct(
    field: str | pa.ChunkedArray, count: int, form: Callable[[str], str | None]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[str | None]]:
    """A code for each row and what the form makes of each distinct value; the last one is that of absent values."""
    if isinstance(field, str):
        return np.zeros(count, np.int64), [form(field), None]
    column = encode_text(field).unify_dictionaries().combine_chunks()
    chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    values = [None if v is None else form(v) for v in chunk.dictionary.to_pylist()]
    return chunk.indices.fill_null(len(values)).to_numpy().astype(np.int64), [*values, None]


def find_constants(recorded: Sequence[Events], simulated: Sequence[Events]) -> Iterator[BrokenRelation]:
    """Fields that are one value in all simulated events and vary among recorded ones of one file."""
    if sum(map(len, simulated)) < FEWEST_SIMULATED:
        return
    for name in dict.fromkeys(n for each in simulated for n in each.fields):
        if name in SYSTEM_FIELDS or name.startswith(("@", "_", "#", "Correlation_")):
            continue
        made = count_values(simulated, name)
        if len(made) != 1:
            continue
        varied = [c for each in recorded if len(each) >= FEWEST_VARIED and len(c := count_values([each], name)) > 1]
        # A share of one in twenty at least: a single odd value among thousands is no variety.
        for real in varied:
            if 1 - real.most_common(1)[0][1] / sum(real.values()) >= 0.05:
                yield BrokenRelation(
                    field=name,
                    message="is the same in all simulated events and varies in recorded ones",
                    recorded=describe_counts(real),
                    simulated=describe_counts(made),
                )
                break


def count_values(events: Sequence[Events], name: str) -> Counter[str]:
    """How often each value of a field occurs."""
    found: Counter[str] = Counter()
    for each in events:
        field = list_event_fields(each).get(name)
        if field is not None:
            codes, values = encode_distinct(field, len(each), same_text)
            counts = np.bincount(codes, minlength=len(values)).tolist()
            found.update({v: n for v, n in zip(values, counts, strict=True) if v is not None and n})
    return found
