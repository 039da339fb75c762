"""Drafts of events: for each way in which a rule's conditions can hold some events, and twins in which one does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from harness.detection.plan.nodes import Node
from harness.record import record
from harness.telemetry.platform import UNITS_PER_SECOND
from harness.verdict.draft.conditions import COUNT, DISTINCT, GROUPS, list_asked
from harness.verdict.draft.solver import looks_like_number, solve_all
from harness.verdict.draft.wish import Wish, default_text, find_wished_texts

# All chosen: a draft that fits is mostly among the first three.
MOST_WAYS = 8
MOST_DRAFTED = 400
PATTERNS = ((0, 60, False), (0, 3600, False), (3, 1, False), (12, 600, False), (12, 60, True), (120, 300, False))
"""Fewest events, seconds from each to the next, and whether fields that nothing is wished of differ."""
KIND_FIELDS = frozenset(
    (
        *("index", "source", "sourcetype", "host", "EventCode", "EventID", "event_simpleName", "#event_simpleName"),
        *("#repo", "#type", "#Vendor", "#kind", "event_platform", "tag", "eventtype", "Channel", "Provider_Name"),
        *("Name", "aid", "ComputerName", "dest", "cid"),
    )
)
"""Fields that say what kind of event it is and where; a twin differs in what was done."""

PLACE_FIELDS = ("host", "dest", "aid", "ComputerName", "cid")


@record(kw_only=True)
class EventDraft:
    """Events as texts by field, the seconds from each to the next, and what is wished of each field."""

    rows: tuple[Mapping[str, str], ...]
    step: float
    wishes: Mapping[str, tuple[Wish, ...]]
    differs: str = ""


def draft_attacks(node: Node, fields: Sequence[str]) -> Iterator[EventDraft]:
    """Events that a plan may find, one draft after the other; `fields` are those that it reads."""
    ways = (found.by_field for asked in list_asked(node) for found in solve_all(asked.conditions))
    for wishes in islice(ways, MOST_WAYS):
        chosen = choose_texts([f for f in fields if is_event_field(f)], wishes)
        for fewest, step, free in PATTERNS:
            yield lay_out(chosen, wishes, fewest, step, free=free)


def is_event_field(name: str) -> bool:
    """Whether a field is the event's own, not its time or what the platform counts by."""
    return not name.startswith("@") and name not in UNITS_PER_SECOND


def choose_texts(fields: Sequence[str], wishes: Mapping[str, tuple[Wish, ...]]) -> dict[str, str]:
    """A text for each field that is to be there."""
    # What kind of event it is must not be made up; all else a rule may group by.
    wanted = [name for name in fields if name in wishes or name not in KIND_FIELDS or name in PLACE_FIELDS]
    found = {name: next(find_wished_texts(name, wishes.get(name, ())), None) for name in wanted}
    # The way that current add-ons collect, where a rule takes both.
    source = found.get("source") or ""
    current = f"Xml{source}"
    if source.startswith("WinEventLog:") and all(w.grants(current) for w in wishes.get("source", ())):
        found["source"] = current
    return {name: text for name, text in found.items() if text is not None}


def lay_out(
    chosen: Mapping[str, str], wishes: Mapping[str, tuple[Wish, ...]], fewest: int, step: float, *, free: bool
) -> EventDraft:
    """As many events as are asked for; fields whose values are counted differ from one to the next."""
    distinct = {name.removeprefix(DISTINCT): name for name in wishes if name.startswith(DISTINCT)}
    asked = [ask_number(wishes.get(name, ())) for name in (COUNT, GROUPS, *distinct.values())]
    number = min(max(fewest, *asked), MOST_DRAFTED)
    varied = set(distinct) | ({name for name in chosen if name not in wishes} - KIND_FIELDS if free else set())
    rows = tuple(
        {name: vary(name, text, i, wishes.get(name, ())) if name in varied else text for name, text in chosen.items()}
        for i in range(number)
    )
    return EventDraft(rows=rows, step=step, wishes=wishes)


def ask_number(wishes: Sequence[Wish]) -> int:
    """The smallest useful number that is all that is wished of it; 1 where nothing is."""
    texts = (
        [text for text in find_wished_texts("count", wishes) if text is not None and looks_like_number(text)]
        if wishes
        else []
    )
    return max(1, min((round(float(text)) for text in texts if float(text) > 0), default=1))


def vary(name: str, text: str, number: int, wishes: Sequence[Wish]) -> str:
    """Another text for each number that is still all that is wished of the field; the same where none is."""
    stem, dot, ending = text.rpartition(".")
    address = re.sub(r"\d+$", str(1 + (10 + number) % 250), text) if re.fullmatch(r"(\d+\.){3}\d+", text) else ""
    tried = [address, f"{stem}{number}{dot}{ending}" if dot else "", f"{text}{number}", f"{number}{text}"]
    fitting = (each for each in tried if each and all(w.grants(each) for w in wishes))
    return text if number == 0 else next(fitting, text)


BENIGN: tuple[tuple[str, str], ...] = (
    (r"(?i)parent.*(image|path)$", "C:\\Windows\\explorer.exe"),
    (r"(?i)(image|process_path|imagefilename|newprocessname)$", "C:\\Windows\\System32\\notepad.exe"),
    (r"(?i)(process_name|filename|basefilename|process_exec|original\w*)$", "notepad.exe"),
    (r"(?i)command_?line$|^process$|_process$", "notepad.exe C:\\Users\\Public\\notes.txt"),
    (r"(?i)(ip|address|ip4)$", "10.20.30.40"),
    (r"(?i)(path|file\w*|target\w*)$", "C:\\Users\\Public\\Documents\\notes.txt"),
)
"""Texts of everyday life by what the names of fields look like."""


def draft_twins(attack: EventDraft) -> Iterator[EventDraft]:
    """Events like an attack's with one field that is everyday, then fewer of them."""
    # What is asked for most, since that is what tells the attack.
    telling = [n for n in attack.wishes if n in attack.rows[0] and n not in KIND_FIELDS]
    values = [n for n in telling if any(w.holds and not w.absent for w in attack.wishes[n])]
    for name in sorted(values, key=lambda n: rank_telling(n, attack)):
        everyday = next((text for pattern, text in BENIGN if re.search(pattern, name)), default_text(name))
        for text in (everyday, "everyday", "0"):
            if not all(w.grants(text) for w in attack.wishes[name]):
                rows = tuple({**row, name: text} for row in attack.rows)
                yield EventDraft(rows=rows, step=attack.step, wishes=attack.wishes, differs=name)
                break
    # Where nothing but its presence is asked of a field.
    for name in telling:
        rows = tuple({n: t for n, t in row.items() if n != name} for row in attack.rows)
        yield EventDraft(rows=rows, step=attack.step, wishes=attack.wishes, differs=f"no {name}")
    if len(attack.rows) > 1:
        yield EventDraft(rows=attack.rows[:1], step=attack.step, wishes=attack.wishes, differs="count")


def rank_telling(name: str, attack: EventDraft) -> tuple[bool, int]:
    """Where a field stands among those that a twin may differ in: what was asked to run first."""
    return re.search(r"(?i)command_?line|^process$|script", name) is None, -len(attack.rows[0][name])
