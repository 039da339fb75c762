"""A world fitted to recorded events: rates, parents, command lines, files, registry, names and destinations.

What comes out is a document as a person would write one. It holds templates and numbers, no name, address, user or path
of the recording.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import TIME, Events, Telemetry
from harness.telemetry.events.text_columns import encode_text, list_event_fields
from harness.telemetry.simulation.process_tree import HOSTED_SERVICES, TREE
from harness.telemetry.simulation.text_template import TEMPLATE_WORD
from harness.telemetry.simulation.world.anonymous_text import Anonymizer, collect_secrets, public_words
from harness.telemetry.simulation.world.interruptions import is_outside_address

MOST_PROGRAMS = 220
MOST_LINES = 14
MOST_TEMPLATES = 10
"""Programs of a document, command lines and templates of each effect of a program: the most frequent ones."""
FEWEST_HOURS = 1 / 60
SYSTEM_ACCOUNTS = {"SYSTEM", "NETWORK SERVICE", "LOCAL SERVICE"}
EFFECTS = {"11": "files", "12": "registry", "13": "registry", "7": "libraries", "17": "pipes", "18": "pipes"}
EFFECT_FIELDS = {"11": "TargetFilename", "12": "TargetObject", "13": "TargetObject", "7": "ImageLoaded"}

Row = Mapping[str, str]


@dataclass(slots=True)
class LearnedProgram:
    """What was recorded of one image under one kind of account."""

    image: str
    account: str
    starts: int = 0
    parents: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    integrity: Counter[str] = field(default_factory=Counter)
    lives: list[float] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    effects: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def learn_world(parts: Sequence[Telemetry], title: str) -> dict[str, Any]:
    """The document of a world like what was recorded. Raises HarnessError where no process or effect was recorded."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    times: dict[str, list[int]] = defaultdict(list)
    for events in (e for part in parts for e in part.events if e.sensor == "sysmon"):
        rows = list_rows(events)
        kinds[events.kind] += rows
        for row, at in zip(rows, list_microseconds(events), strict=True):
            times[row.get("Computer", "")].append(at)
    if not any(kinds.get(k) for k in ("1", *EFFECTS, "3", "22")):
        raise HarnessError("nothing-to-learn", "no Sysmon events of processes, files, names or calls are in it")
    everyone = [r for rows in kinds.values() for r in rows]
    accounts = {r[n] for r in everyone for n in ("User", "ParentUser") if r.get(n)}
    anonymizer = Anonymizer(secrets=collect_secrets(accounts, times))
    hours = {host: measure_hours(at) for host, at in times.items()}
    programs = collect_programs(kinds, anonymizer)
    window = find_working_hours(kinds.get("1", ()))
    body = describe_programs(programs, hours, window)
    refuse_secrets(body, anonymizer.secrets)
    return build_world_document(title, len(times), hours, body, window)


def list_rows(events: Events) -> list[Row]:
    """Events as mappings of texts, absent fields left out."""
    fields = list_event_fields(events)
    constant = {n: f for n, f in fields.items() if isinstance(f, str)}
    columns = {n: encode_text(f).cast(pa.string()).to_pylist() for n, f in fields.items() if not isinstance(f, str)}
    names = list(columns)
    return [
        {**constant, **{n: v for n, v in zip(names, row, strict=True) if v is not None}}
        for row in zip(*columns.values(), strict=True)
    ] or [constant] * len(events)


def list_microseconds(events: Events) -> list[int]:
    """When each event was recorded; 0 where nobody can say."""
    found: list[int] = events.columns.column(TIME).cast(pa.int64()).fill_null(0).to_pylist()
    return found


def measure_hours(at: Sequence[int]) -> float:
    """Hours in which a host recorded: gaps of more than half an hour, as between captures, are not counted."""
    moments = np.sort(np.array([t for t in at if t], np.int64))
    if len(moments) < 2:
        return FEWEST_HOURS
    gaps = np.diff(moments) / 3.6e9
    return max(float(gaps[gaps < 0.5].sum()), FEWEST_HOURS)


def find_working_hours(started: Sequence[Row]) -> tuple[int, int] | None:
    """From when until when people work, in UTC: the nine hours with most of what they start; None where nobody can say.

    A capture tells only if it saw most hours of a day, and seven in ten of the starts lie in the nine.
    """
    everything = Counter(r.get("UtcTime", "")[11:13] for r in started)
    people = Counter(r.get("UtcTime", "")[11:13] for r in started if not account_kind(r))
    if len([h for h in everything if h.isdecimal()]) < 20 or sum(people.values()) < 50:
        return None
    counts = [people.get(f"{h:02}", 0) for h in range(24)]
    # Days that go on past midnight have no place in a document (`hours` of a role).
    begin = max(range(15), key=lambda h: sum(counts[h : h + 9]))
    return (begin, begin + 9) if sum(counts[begin : begin + 9]) >= 0.7 * sum(counts) else None


def account_kind(row: Row) -> str:
    """The account a program runs as: one of the system's, or "" for a person's."""
    name = row.get("User", "").rpartition("\\")[2]
    return name if name in SYSTEM_ACCOUNTS else ""


def collect_programs(kinds: Mapping[str, list[Row]], anonymizer: Anonymizer) -> dict[tuple[str, str], LearnedProgram]:
    """Every program that was seen, with what it did."""
    found: dict[tuple[str, str], LearnedProgram] = {}
    owner: dict[str, LearnedProgram] = {}
    begun: dict[str, str] = {}

    def program_of(row: Row) -> LearnedProgram | None:
        path = row.get("Image", "")
        if path.startswith("<") or not path or "&lt;" in path:
            return None
        image = anonymizer.program(path)
        key = (image, account_kind(row))
        known = found.setdefault(key, LearnedProgram(image=image, account=key[1]))
        known.hosts.add(row.get("Computer", ""))
        return known

    for row in kinds.get("1", ()):
        program = program_of(row)
        # The console host of a program comes with the program.
        if program is None or program.image.lower().endswith("conhost.exe"):
            continue
        owner[row.get("ProcessGuid", "")] = program
        begun[row.get("ProcessGuid", "")] = row.get("UtcTime", "")
        program.starts += 1
        program.integrity[row.get("IntegrityLevel", "")] += 1
        program.lines[anonymizer.line(row.get("CommandLine", ""), row.get("Image", ""))] += 1
        program.parents[describe_parent(row, anonymizer)] += 1
    for row in kinds.get("5", ()):
        life = measure_life(begun.get(row.get("ProcessGuid", "")), row.get("UtcTime"))
        if life is not None:
            owner[row["ProcessGuid"]].lives.append(life)
    for kind in (*EFFECTS, "22", "3"):
        for row in kinds.get(kind, ()):
            program = owner.get(row.get("ProcessGuid", "")) or program_of(row)
            effect = describe_effect(kind, row, anonymizer)
            if program is not None and effect is not None:
                program.effects[effect[0]][effect[1]] += 1
    return {k: p for k, p in found.items() if not k[0].lower().endswith("conhost.exe")}


def describe_parent(row: Row, anonymizer: Anonymizer) -> str:
    """The parent of a process: a lasting process, a service by its arguments, or the image of a program."""
    file = row.get("ParentImage", "").rpartition("\\")[2]
    if file.lower() == "svchost.exe":
        line = row.get("ParentCommandLine", "").lower()
        return next((n for n, (_, group) in HOSTED_SERVICES.items() if line.endswith(group.lower())), "DcomLaunch")
    if file.lower() in TREE:
        return file.lower()
    path = row.get("ParentImage", "")
    return anonymizer.program(path) if "\\" in path else ""


def measure_life(begin: str | None, end: str | None) -> float | None:
    """Seconds from start to end, where both are known."""
    try:
        length = (np.datetime64((end or "").replace(" ", "T")) - np.datetime64((begin or "").replace(" ", "T"))).item()
    except ValueError:
        return None
    return max(length.total_seconds(), 0.005) if length is not None and begin else None


def describe_effect(kind: str, row: Row, anonymizer: Anonymizer) -> tuple[str, str] | None:
    """Which effect an event is of a program, and its template."""
    if kind == "22":
        name = anonymizer.host_name(row.get("QueryName", ""))
        return "names", name if row.get("QueryStatus") == "0" else f"!{name}"
    if kind == "3":
        address = row.get("DestinationIp", "")
        try:
            outside = row.get("Initiated") == "true" and is_outside_address(address)
        except ValueError:
            return None
        return ("calls", f"{anonymizer.host_name(address)}:{row.get('DestinationPort', '443')}") if outside else None
    if kind in ("17", "18"):
        name = row.get("PipeName", "").lstrip("\\")
        # Pipes without a name are Sysmon's `<Anonymous Pipe>`.
        return None if name.startswith("<") else ("pipes", (">" if kind == "18" else "") + "\\" + anonymizer.name(name))
    text = row.get(EFFECT_FIELDS[kind], "")
    if kind in ("11", "7"):
        return EFFECTS[kind], anonymizer.path(text)
    key = "\\".join([text.partition("\\")[0], *(anonymizer.component(c) for c in text.split("\\")[1:])])
    key = key.replace("HKU\\{word}", "HKU\\{sid}") if key.startswith("HKU\\") else key
    if kind == "13":
        return "registry", f"{key} = {describe_details(row.get('Details', ''), anonymizer)}"
    sign = {"CreateKey": "+", "DeleteKey": "-", "DeleteValue": "~"}.get(row.get("EventType", ""), "+")
    return "registry", sign + key


def describe_details(text: str, anonymizer: Anonymizer) -> str:
    """What a registry value was set to."""
    if text.startswith("DWORD"):
        return "DWORD (0x{hex:8})"
    if text.startswith("QWORD"):
        return "QWORD (0x{hex:8}-0x{hex:8})"
    return text if text in ("Binary Data", "(Empty)") else anonymizer.argument(text)[:120] or "(Empty)"


def describe_programs(
    programs: Mapping[tuple[str, str], LearnedProgram], hours: Mapping[str, float], window: tuple[int, int] | None
) -> dict[str, dict[str, Any]]:
    """The programs of the document by invented names, those that start others first."""
    largest = sorted(
        programs.items(), key=lambda p: -(p[1].starts + sum(sum(c.values()) for c in p[1].effects.values()))
    )
    chosen = dict(largest[:MOST_PROGRAMS])
    names = {key: f"{key[0].rpartition(chr(92))[2].removesuffix('.exe')} {n}" for n, key in enumerate(chosen, 1)}
    total = sum(hours.values())
    described: dict[str, dict[str, Any]] = {}
    for key, program in sorted(chosen.items(), key=lambda p: -p[1].starts):
        described[names[key]] = describe_program(program, total, len(hours))
        if window is not None and not program.account and program.starts:
            # All starts are put into the hours of work, of which a recorded day has 9 of 24.
            rate = described[names[key]]["per_hour"] * 24 / (window[1] - window[0])
            described[names[key]] |= {"during": "working", "per_hour": round(rate, 5)}
    return described


def describe_program(program: LearnedProgram, hours: float, hosts: int) -> dict[str, Any]:
    """One program of the document; without a recorded start it stands there all along."""
    found: dict[str, Any] = {"image": program.image}
    if program.account:
        found["account"] = program.account
    share = len(program.hosts) / max(hosts, 1)
    if share < 1:
        found["share"] = round(share, 3)
    # Hours of the hosts that have it: the rates of the others are not diluted by these.
    own = max(hours * share, FEWEST_HOURS)
    per = float(program.starts) if program.starts else own
    if program.starts:
        found["per_hour"] = round(min(program.starts / own, 20_000.0), 5)
        parent = next((p for p, _ in program.parents.most_common() if p and p != program.image), "")
        found |= {"parent": parent} if parent and "\\" not in parent else {}
        found["lines"] = [line for line, _ in program.lines.most_common(MOST_LINES) if line]
        level = program.integrity.most_common(1)[0][0]
        if level in ("Low", "Medium", "High", "System", "AppContainer"):
            found["integrity"] = level
        if program.lives:
            logs = np.log(program.lives)
            found |= {
                "lasts": round(float(np.exp(np.median(logs))), 3),
                "spread": round(min(float(logs.std()), 5.0), 3),
            }
    else:
        found["standing"] = True
    for effect, counts in program.effects.items():
        found[effect] = describe_rates(effect, counts, per)
    return found


def describe_rates(effect: str, counts: Counter[str], per: float) -> dict[str, float]:
    """Templates with their rates: the most frequent by themselves, the tail of names as one template."""
    most = 40 if effect in ("names", "calls") else MOST_TEMPLATES
    largest = counts.most_common(most)
    rest = sum(counts.values()) - sum(n for _, n in largest)
    found = {text: round(min(n / per, 20_000.0), 5) for text, n in largest}
    if rest and effect in ("names", "calls"):
        tail = "n.{word}.learned.example" + (":443" if effect == "calls" else "")
        found[tail] = round(rest / per, 5)
    elif rest and largest:
        # What is cut off keeps the rate: the least frequent of the kept templates stands for it.
        last = largest[-1][0]
        found[last] = round(found[last] + rest / per, 5)
    return found


def refuse_secrets(body: dict[str, dict[str, Any]], secrets: Iterable[str]) -> None:
    """Raises HarnessError where a secret is left: better no document than one that tells."""
    # A word that the world of detlab itself has names nobody, not even where somebody is called so.
    words = {s for s in secrets if len(s) > 3} - public_words()
    for text in list_document_texts(body):
        bare = TEMPLATE_WORD.sub(" ", text).lower()
        left = next((w for w in re.findall(r"[a-z0-9]+", bare) if w in words), None)
        if left is not None:
            raise HarnessError("not-anonymous", f"a name of the recording is left in `{text}`", help="report it")


def list_document_texts(value: Any) -> Iterator[str]:
    """Every text of a document, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (key, *list_document_texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from list_document_texts(inner)


def build_world_document(
    title: str,
    hosts: int,
    hours: Mapping[str, float],
    programs: dict[str, dict[str, Any]],
    window: tuple[int, int] | None,
) -> dict[str, Any]:
    """The whole document: one site, one role whose hosts are always on, and the learned programs."""
    role = "host"
    begin, end = window or (9, 18)
    shift = {"begin": f"{begin:02}:00", "end": f"{min(end, 23):02}:{'59' if end > 23 else '00'}"}
    return {
        "title": title,
        "description": f"Learned from {hosts} hosts over {sum(hours.values()):.1f} recorded host-hours.",
        "hosts": max(hosts, 2),
        "days": 1,
        "sites": [{"name": "Site", "time_zone": "UTC"}],
        "roles": {role: {"prefix": "H", "share": 1, "runs": "always", "reboot_every_days": 14, "hours": shift}},
        "software": {
            "start of host and desktop": {"behaviour": "startup", "on": [role], "source": "process tree of Windows"}
        },
        "programs": programs,
    }
