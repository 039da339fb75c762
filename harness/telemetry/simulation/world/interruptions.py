"""Activities moved in time, thinned out or made to fail: what sleep, shutdown and broken lines do to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from ipaddress import ip_address
from typing import Any, TypeVar

import numpy as np

from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import (
    Activity,
    BooleanArray,
    DnsQuery,
    Integers,
    NetworkConnection,
)
from harness.telemetry.simulation.coded_column import AnswerColumn, TextColumn
from harness.telemetry.simulation.host import ONE_SECOND, Process
from harness.telemetry.simulation.schedule import convert_seconds
from harness.telemetry.simulation.world.population import Stretch, WorldClock

A = TypeVar("A", bound=Activity)

TIMED_OUT = 1460
"""What the resolver says when no server answers."""


class Shift:
    """From a clock's time to real time: activities, and the processes in them, each of which stays one process."""

    def __init__(self, clock: WorldClock, end: np.datetime64) -> None:
        """Nothing is left of what would happen after `end`."""
        self.clock, self.end = clock, end
        # The process itself is kept beside its double: its id would be given anew once it is gone.
        self.known: dict[int, tuple[Process, Process]] = {}

    def __call__(self, activity: A) -> A | None:
        """The activity in real time; None where nothing of it is left."""
        if not self.clock.steady:
            activity = self.moved(activity)
        late = np.atleast_1d(np.asarray(activity.at)) >= self.end
        if late.any():
            kept = np.flatnonzero(~late)
            return take_activity_rows(activity, kept) if len(kept) else None
        return activity

    def moved(self, activity: A) -> A:
        """All times and processes of an activity in real time."""
        changed: dict[str, Any] = {"at": self.clock.real(activity.at)}
        for each in fields(activity):
            held = getattr(activity, each.name)
            if isinstance(held, Process):
                changed[each.name] = self.process(held)
            elif each.name == "until":
                changed[each.name] = self.clock.real(held)
        return replace(activity, **changed)

    def process(self, process: Process) -> Process:
        """The process with its real start; a number of its own that rises with it."""
        if id(process) not in self.known:
            started = self.clock.real(process.started)
            moved = process
            parent = process.parent and self.process(process.parent)
            if np.any(started != process.started):
                elapsed = ((np.atleast_1d(started) - process.host.boot) // ONE_SECOND).astype(np.int64)
                # A later start needs a later number: the ProcessStartKey rises with time.
                numbers = process.host.ledger.number(np.maximum(elapsed, 0) + 300)
                sequence = int(numbers[0]) if np.ndim(started) == 0 else numbers
                moved = replace(process, started=started, sequence=sequence, parent=parent, origin=None, places=None)
            elif parent is not process.parent:
                moved = replace(process, parent=parent, origin=None, places=None)
            self.known[id(process)] = process, moved
        return self.known[id(process)][1]


def take_activity_rows(activity: A, which: Integers) -> A:
    """These rows of an activity, in this order."""
    count = len(activity)
    if np.ndim(activity.at) == 0:
        return activity
    changed: dict[str, Any] = {}
    for each in fields(activity):
        held = getattr(activity, each.name)
        if isinstance(held, Process | TextColumn | AnswerColumn):
            changed[each.name] = held.take(which)
        elif isinstance(held, np.ndarray) and held.ndim == 1 and len(held) == count:
            changed[each.name] = held[which]
        elif each.name in TEXT_ATTRIBUTES and isinstance(held, list | tuple) and len(held) == count:
            changed[each.name] = [held[i] for i in which.tolist()]
    return replace(activity, **changed)


# A tuple of as many answers as there are rows (DnsQuery.answers) is no column: the names decide, not the length.
TEXT_ATTRIBUTES = frozenset(
    {
        *("destination_ip", "source_ip", "destination_hostname", "requested_hostname", "query_name"),
        *("script_block", "target_filename", "target_object", "details"),
    }
)
"""Fields that hold one text or a list with one for each row."""


def apply_line_failures(
    activity: Activity, down: Sequence[Stretch], failures: float, random: np.random.Generator
) -> Iterator[Activity]:
    """The activity where lines break: what goes outside fails while the site's way out is down, some of the rest too.

    A call that failed is tried again after a second or so, and once more after some more.
    """
    if isinstance(activity, NetworkConnection) and activity.protocol == "tcp" and activity.initiated:
        failed = (random.random(len(activity)) < failures) if failures else np.zeros(len(activity), bool)
        if down and (outside := goes_out(activity)) is not None:
            failed |= outside & find_moments_in_stretches(np.atleast_1d(activity.at), down)
        if not failed.any():
            yield activity
            return
        yield replace(activity, established=np.asarray(activity.established) & ~failed)
        if len(activity) > 1:
            yield from retries(activity, np.flatnonzero(failed), down, random)
    elif isinstance(activity, DnsQuery) and down and not activity.cached:
        lost = find_moments_in_stretches(np.atleast_1d(activity.at), down)
        yield replace(activity, status=np.where(lost, TIMED_OUT, activity.status)) if lost.any() else activity
    else:
        yield activity


def retries(
    call: NetworkConnection, failed: Integers, down: Sequence[Stretch], random: np.random.Generator
) -> Iterator[Activity]:
    """Two more attempts of the calls that failed; four of five of them get through where the line is up."""
    # Chosen as clients back off; Windows itself sends a refused SYN again after 0.5 s, which leaves no event.
    for wait in (1.0, 4.0):
        if not len(failed):
            return
        again = take_activity_rows(call, failed)
        # A new attempt has a new port.
        again = replace(
            again, at=again.at + convert_seconds(wait * random.uniform(0.8, 1.6, len(failed))), source_port=None
        )
        through = random.random(len(failed)) < 0.8
        if down:
            through &= ~find_moments_in_stretches(np.atleast_1d(again.at), down)
        yield replace(again, established=through)
        failed = failed[~through]


def find_moments_in_stretches(at: Times, stretches: Sequence[Stretch]) -> BooleanArray:
    """Which moments lie in one of the stretches, which begin in order and may overlap."""
    begins = np.array([b for b, _ in stretches], "datetime64[us]")
    ends = np.maximum.accumulate(np.array([e for _, e in stretches], "datetime64[us]"))
    which = np.searchsorted(begins, at, side="right") - 1
    found: BooleanArray = (which >= 0) & (at < ends[which])
    return found


def goes_out(call: NetworkConnection) -> BooleanArray | None:
    """Which connections leave the site; None where it is not told row by row."""
    held = call.destination_ip
    if isinstance(held, TextColumn):
        public = np.array([is_outside_address(v or None) for v in held.texts()], bool)
        found: BooleanArray = public[held.codes]
        return found
    # A list of texts is rare, and to fail none of its rows is the harmless mistake.
    return np.full(len(call), is_outside_address(held)) if held is None or isinstance(held, str) else None


DOCUMENTATION_NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.", "198.18.", "198.19.", "3fff:")
"""Addresses kept for documents and for tests of networks: in these worlds they are the internet."""


def is_outside_address(address: str | None) -> bool:
    """Whether an address is public; documentation networks but 2001:db8:: count as such."""
    if address is None:
        return False
    # Python says of documentation networks that they are not global; 2001:db8:: is every
    # host's own network here and stays inside.
    return address.startswith(DOCUMENTATION_NETWORKS) or ip_address(address).is_global
