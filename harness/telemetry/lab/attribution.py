"""Attribution of events to a test: by descent from the process that carries the test's mark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.telemetry.tables import EventTexts

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


TASK_OPTION = re.compile(r"""(?i)/tn\s+(?:"([^"]+)"|(\S+))""")
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

    def carries(self, fields: EventTexts) -> bool:
        """Whether a text of an event has the test's mark, or the run's name in what the test itself did."""
        texts = [fields[n] for n in ATTRIBUTED_FIELDS if n in fields]
        # The ampersand keeps run.1 apart from run.10; the run's name is the user agent of tests 1 and 4.
        return any(f"DETLAB={self.mark}&" in t or f"detlab/{self.run}" in t for t in texts)

    def learn(self, fields: EventTexts) -> bool:
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

    def is_member(self, fields: EventTexts) -> bool:
        """Whether a process that starts belongs to the family."""
        if self.carries(fields) or self.is_ours(fields.get("ParentProcessGuid", "")):
            return True
        # Pids are given anew: only a child of the Schedule service is what event 129 named.
        by_scheduler = "-s schedule" in fields.get("ParentCommandLine", "").lower()
        return by_scheduler and fields.get("ProcessId", "") in self.task_pids - {""}

    def member(self, fields: EventTexts) -> None:
        """Takes a process into the family, and the name of the task that it makes, if it makes one."""
        self.guids.add(fields.get("ProcessGuid", ""))
        self.pids.add(fields.get("ProcessId", ""))
        self.logons.add(fields.get("LogonId", ""))
        task = TASK_OPTION.search(fields.get("CommandLine", ""))
        if task and fields.get("Image", "").lower().endswith("\\schtasks.exe"):
            self.tasks.add("\\" + (task[1] or task[2]).lower().lstrip("\\"))

    def known(self) -> int:
        """The number of known processes, logons, tasks and connections."""
        names = (self.guids, self.pids, self.logons, self.tasks, self.task_pids)
        return sum(len(found) for found in names) + len(self.connections)

    def is_ours(self, guid: str) -> bool:
        """Whether a ProcessGuid is one of the family's."""
        return guid in self.guids and guid not in ("", NO_GUID)

    def owns(self, fields: EventTexts) -> bool:
        """Whether the test caused an event."""
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


def attribute_events(events: Sequence[EventTexts], mark: str, run: str) -> list[bool]:
    """Which events the test with this mark caused; events may come in any order."""
    family = Family(mark, run)
    # Until a pass teaches nothing: a child may stand before its parent. any() would stop at the first.
    while sum(family.learn(e) for e in events):
        pass
    return [family.owns(e) for e in events]
