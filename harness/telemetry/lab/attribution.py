"""Whose doing an event is: the processes that carry a test's mark, all that they started, and their tasks' doings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.late_pattern import late_pattern

Fields = Mapping[str, str]

SYSMON_CHANNEL = "Microsoft-Windows-Sysmon/Operational"
# Sysmon's GUID of a process that it does not know: all of them would be one family.
NO_GUID = "{00000000-0000-0000-0000-000000000000}"
ATTRIBUTED_FIELDS = (
    "CommandLine",
    "ParentCommandLine",
    "ScriptBlockText",
    "TaskContent",
    "Payload",
    "ProcessCommandLine",
)
TUPLE = ("SourceIp", "SourcePort", "DestinationIp", "DestinationPort")


# A task that makes a task that makes a task: no attack does that often, a host's own log may without end.
DEEPEST_TASK_CHAIN = 64

# What command_line.py writes a batch's file with, as cmd.exe starts it.
DELIVERY = late_pattern(r'findstr\s+"\^"\s*')
TASK_OPTION = late_pattern(r"""(?i)/tn\s+(?:"([^"]+)"|(\S+))""")
TASK_EVENTS = frozenset({"4698", "4699", "4700", "4701", "4702"})


@dataclass(slots=True)
class Family:
    """The processes of one test: the one that carries its mark, all that they started, and all that their tasks did."""

    mark: str
    run: str
    guids: set[str] = field(default_factory=set)
    pids: set[str] = field(default_factory=set)
    logons: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    task_pids: set[str] = field(default_factory=set)
    connections: set[tuple[str, ...]] = field(default_factory=set)

    def carries(self, fields: Fields) -> bool:
        """Whether a text of an event has the test's mark, or the run's name in what the test itself did."""
        texts = [fields[n] for n in ATTRIBUTED_FIELDS if n in fields]
        # The ampersand keeps run.1 apart from run.10; the run's name is the user agent of tests 1 and 4.
        return any(f"DETLAB={self.mark}&" in t or f"detlab/{self.run}" in t for t in texts)

    def learn(self, fields: Fields) -> bool:
        """Takes an event into account; whether anything about the family became known by it."""
        before = self.known()
        if fields.get("Channel") == SYSMON_CHANNEL and fields.get("EventID") == "1":
            if self.is_member(fields):
                self.member(fields)
        elif self.owns(fields):
            if "TaskName" in fields:
                self.tasks.add(fields["TaskName"].lower())
                self.task_pids.add(fields.get("ProcessID", ""))
            if fields.get("EventID") == "3":
                self.connections.add(tuple(fields.get(n, "") for n in TUPLE))
        return self.known() != before

    def is_member(self, fields: Fields) -> bool:
        """Whether a process that starts belongs to the family."""
        if self.carries(fields) or self.is_ours(fields.get("ParentProcessGuid", "")):
            return True
        # Pids are given anew: only a child of the Schedule service is what event 129 named.
        by_scheduler = "-s schedule" in fields.get("ParentCommandLine", "").lower()
        return by_scheduler and fields.get("ProcessId", "") in self.task_pids - {""}

    def member(self, fields: Fields) -> None:
        """Takes a process into the family, and the name of the task that it makes, if it makes one."""
        self.guids.add(fields.get("ProcessGuid", ""))
        self.pids.add(fields.get("ProcessId", ""))
        self.logons.add(fields.get("LogonId", ""))
        task = TASK_OPTION.search(fields.get("CommandLine", ""))
        if task and fields.get("Image", "").lower().endswith("\\schtasks.exe"):
            self.tasks.add("\\" + (task[1] or task[2]).lower().lstrip("\\"))

    def known(self) -> int:
        """How much is known."""
        names = (self.guids, self.pids, self.logons, self.tasks, self.task_pids)
        return sum(len(found) for found in names) + len(self.connections)

    def is_ours(self, guid: str) -> bool:
        """Whether a process belongs to the family."""
        return guid in self.guids and guid not in ("", NO_GUID)

    def is_delivery(self, fields: Fields) -> bool:
        """Whether an event is about how a batch came to the host, which nobody but detlab does."""
        file = f"\\detlab-{self.mark}.cmd".lower()
        written = fields.get("TargetFilename", "").lower().endswith(file)
        return written or DELIVERY.fullmatch(fields.get("CommandLine", "")) is not None

    def owns(self, fields: Fields) -> bool:
        """Whether the test caused an event."""
        if self.is_delivery(fields):
            return False
        if fields.get("Channel") == SYSMON_CHANNEL:
            guids = (fields.get(n, "") for n in ("ProcessGuid", "SourceProcessGUID", "ParentProcessGuid"))
            # The listener's record of a loopback connection has the same ends (telemetry.md 1.4).
            mirrored = tuple(fields.get(n, "") for n in TUPLE)
            return any(self.is_ours(g) for g in guids) or (
                fields.get("EventID") == "3" and mirrored in self.connections
            )
        if self.carries(fields) or fields.get("TaskName", "").lower() in self.tasks:
            return True
        if fields.get("EventID") in TASK_EVENTS and fields.get("SubjectLogonId", "") in self.logons - {""}:
            return True
        # Not in Security, where the kernel or lsass.exe writes for all.
        return fields.get("Execution_ProcessID", "") in self.pids and "Security" not in fields.get("Channel", "")


def attribute_events(events: Sequence[Fields], mark: str, run: str) -> list[bool]:
    """Which events the test with this mark caused; events may come in any order."""
    family = Family(mark, run)
    children: dict[str, list[Fields]] = {}
    for event in events:
        if "ParentProcessGuid" in event:
            children.setdefault(event["ParentProcessGuid"], []).append(event)
    for _ in range(DEEPEST_TASK_CHAIN):
        if not sum(learn_with_descendants(family, e, children) for e in events):
            break
    return [family.owns(e) for e in events]


def learn_with_descendants(family: Family, event: Fields, children: Mapping[str, Sequence[Fields]]) -> bool:
    """Takes an event into account, and of a process that becomes known those that it started, to any depth.

    Without this, events in the reverse order of their descent would take one look at all of them for each generation.
    """
    waiting, learnt = [event], False
    while waiting:
        event = waiting.pop()
        known = family.is_ours(event.get("ProcessGuid", ""))
        if family.learn(event):
            learnt = True
            if not known:
                waiting += children.get(event.get("ProcessGuid", ""), ())
    return learnt
