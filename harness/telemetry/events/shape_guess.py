"""Events that look like those of a known kind but fit no known shape: what says so, and where their fields lie."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from harness.telemetry.events.export_times import TIME_FIELD_NAMES
from harness.telemetry.events.windows_names import fold_name, system_field
from harness.telemetry.shape import NameSpelling, Shape


def list_words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


FAMILIES: Mapping[str, frozenset[str]] = {
    "Windows": list_words(
        """eventid eventcode channel providername eventrecordid processguid parentprocessguid utctime
        subjectusersid subjectusername subjectlogonid targetusersid targetusername scriptblocktext
        scriptblockid parentcommandline newprocessname logonguid logname machinename
        sourceprocessguid imageloaded eventdata grantedaccess"""
    ),
    "Falcon": list_words(
        """aid cid eventsimplename contexttimestamp targetprocessid contextprocessid configbuild
        eventplatform rawprocessid configstatehash effectivetransmissionclass"""
    ),
    "CloudTrail": list_words("""eventsource eventname awsregion useridentity useragent recipientaccountid"""),
    "Zeek": list_words("""uid idorigh idresph origbytes respbytes connstate"""),
}
"""Names that events of a family have and hardly others, without marks and in lower case."""


def list_markers(flat: Mapping[str, str]) -> tuple[str, list[str]]:
    """The family that field names look like and the names that say so; two names are the least."""
    best: tuple[str, list[str]] = ("", [])
    for family, telling in FAMILIES.items():
        found = {
            fold_name(last): name
            for name in flat
            if (last := name.rpartition(".")[2].removesuffix("_decimal").removesuffix("_readable"))
            and (fold_name(last) in telling or fold_name(name) in telling)
        }
        if len(found) >= 2 and len(found) > len(best[1]):
            best = (family, list(found.values()))
    return best


DATA_SEGMENTS = list_words("""eventdata userdata data params parameters""")


def locate_windows_fields(flat: Mapping[str, str]) -> Shape | None:
    """A row for events that have System fields somewhere: below the prefix where most of them stand."""
    there: dict[str, set[str]] = defaultdict(set)
    for name in flat:
        at = -1
        while True:
            prefix, rest = name[: at + 1], name[at + 1 :]
            if (prefix or "." not in rest) and (found := system_field(rest)):
                there[prefix].add(found)
            at = name.find(".", at + 1)
            if at < 0:
                break
    usable = {p: f for p, f in there.items() if "EventID" in f and f & {"Channel", "Provider_Name"} and len(f) >= 3}
    if not usable:
        return None
    system = max(usable, key=lambda prefix: (len(usable[prefix]), len(prefix)))
    data = tuple(locate_data(flat, system))
    own = {n: found for n in flat if n.startswith(system) and (found := system_field(n[len(system) :]))}
    doubled = [name for name, count in Counter(own.values()).items() if count > 1]
    return Shape(
        name="windows_like",
        meaning="events with Windows' System fields in a place that no known tool has",
        marks=(),
        example="",
        system=(system,),
        data=data or ((system,) if system else ()),
        beside=not data and not system,
        names={} if data else {n: found for n, found in own.items() if found not in doubled},
        time=tuple(n for n in flat if fold_name(n.rpartition(".")[2]) in TIME_NAMES) or TIME_FIELD_NAMES,
        spelling=NameSpelling.CHANGED,
        words={"Qualifiers": {"0": ""}},
    )


TIME_NAMES = frozenset(fold_name(n) for n in (*TIME_FIELD_NAMES, "systemtime", "timestamp", "time_created"))


def locate_data(flat: Mapping[str, str], system: str) -> Iterable[str]:
    """Prefixes below which data stand: an object named for them, beside or below where System fields are."""
    found: dict[str, None] = {}
    for name in flat:
        parts = name.split(".")
        for i, part in enumerate(parts[:-1]):
            if fold_name(part) in DATA_SEGMENTS:
                prefix = ".".join(parts[: i + 1]) + "."
                # What holds the System fields too is a wrapper and no data.
                if not system.startswith(prefix):
                    found[prefix] = None
                    break
    return found
