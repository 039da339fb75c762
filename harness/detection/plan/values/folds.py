"""Window operations that remember more than a frame of rows: Python folds over each partition, in row order.

An engine keeps the rows as a table, hands the arguments of each partition over in order, and joins the results back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.record import record

FoldRow = Sequence[Any]
Fold = Callable[[Sequence[FoldRow]], list[Any]]


@dataclass(slots=True, kw_only=True)
class FoldSession:
    """Rows that belong together: what is known of them so far; bits of `has` tell which keys they have."""

    number: int
    first: float | None
    last: float | None
    keys: list[Any]
    opened: bool
    has: int = 0
    size: int = 0
    open: bool = True
    closed: bool = False
    full: bool = False


@record(kw_only=True)
class Limits:
    """How long a session may be, how long its pauses, how many its rows; None is without limit.

    `closing` says that reaching one closes a session even where rows open or close them.
    """

    span: float | None
    pause: float | None
    most: float | None
    connected: bool
    ends_match: bool
    closing: bool = False

    def exceeded(self, session: FoldSession, time: float | None) -> bool:
        """Whether a row at this time is too far away to join."""
        if time is None or session.first is None or session.last is None:
            return False
        too_long = self.span is not None and abs(session.first - time) > self.span
        return too_long or (self.pause is not None and abs(session.last - time) > self.pause)


class Sessions:
    """The sessions of one partition.

    The open ones are found by which keys they have, by which of those a row has too, and by the values of these.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count = 0
        self.by_has: dict[int, list[FoldSession]] = {}
        self.found: dict[tuple[int, int], dict[FoldRow, list[FoldSession]]] = {}

    def partner(self, keys: FoldRow, anywhere: bool) -> FoldSession | None:
        """The newest open session that agrees in a key, unless `anywhere` will do, and contradicts in none."""
        own = encode_key_bits(keys)
        best: FoldSession | None = None
        for has in self.by_has:
            both = has & own
            if both or anywhere:
                session = self.newest(has, both, keys)
                if session is not None and (best is None or session.number > best.number):
                    best = session
        return best

    def newest(self, has: int, both: int, keys: FoldRow) -> FoldSession | None:
        """The newest open session that has just these keys, of which `both` hold the same values."""
        if (has, both) not in self.found:
            made = self.found[has, both] = {}
            for session in self.by_has[has]:
                if session.open and session.has == has:
                    made.setdefault(decode_key_bits(session.keys, both), []).append(session)
        # Closed sessions are dropped only when they come up at an end of the list, which keeps
        # each row at constant cost.
        several = self.found[has, both].get(decode_key_bits(keys, both), [])
        while several and not (several[-1].open and several[-1].has == has):
            several.pop()
        return several[-1] if several else None

    def begin(self, time: float | None, keys: FoldRow, opened: bool) -> FoldSession:
        """Opens a session with the next number; it has no keys until a row joins."""
        self.count += 1
        return FoldSession(number=self.count, first=time, last=time, keys=[None] * len(keys), opened=opened)

    def join(self, session: FoldSession, time: float | None, keys: FoldRow) -> None:
        """One more row of a session, which takes over the keys that it lacked."""
        session.size += 1
        session.last = session.last if time is None else time
        session.first = time if session.first is None else session.first
        has = session.has | encode_key_bits(keys)
        if has != session.has or session.size == 1:
            session.keys = [k if own is None else own for own, k in zip(session.keys, keys, strict=True)]
            session.has = has
            self.by_has.setdefault(has, []).append(session)
            # A session that got another key moves to other indexes; in the old ones `newest`
            # passes it over by its `has`.
            for (kept, both), known in self.found.items():
                if kept == has:
                    known.setdefault(decode_key_bits(session.keys, both), []).append(session)
        # maxevents closes a transaction right away, it does not wait for a row too many.
        if self.limits.most is not None and session.size >= self.limits.most:
            session.full, session.open = True, False


def encode_key_bits(keys: FoldRow) -> int:
    """Which keys there are, a bit each."""
    return sum(1 << place for place, key in enumerate(keys) if key is not None)


def decode_key_bits(keys: FoldRow, which: int) -> FoldRow:
    """The keys that a set of bits names."""
    return tuple(key for place, key in enumerate(keys) if which >> place & 1)


def compute_session_of(rows: Sequence[FoldRow]) -> list[float | None]:
    """The number of each row's session, negative where nothing closed it; None for a row without any key.

    A row is span, pause, most, connected, whether a row that opens or closes must share a key, whether a limit closes
    where such rows do too, time, opens, closes, and its keys.
    """
    if not rows:
        return []
    span, pause, most, connected, ends_match, by_limit, _, opening, closing, *_ = rows[0]
    flags = {"connected": bool(connected), "ends_match": bool(ends_match), "closing": bool(by_limit)}
    limits = Limits(span=span, pause=pause, most=most, **flags)
    sessions = Sessions(limits)
    found = [assign_session(sessions, row[6], row[7], row[8], row[9:]) for row in rows]
    # Rows come in order, so the last time is how far the search has seen; older sessions cannot grow any more.
    newest = next((row[6] for row in reversed(rows) if row[6] is not None), None)
    by_ends = opening is not None, closing is not None
    # Negative instead of a second column: a fold gives one value a row.
    numbers = {s.number: s.number if complete(s, limits, newest, *by_ends) else -s.number for s in found if s}
    return [None if s is None else float(numbers[s.number]) for s in found]


def assign_session(
    sessions: Sessions, time: float | None, opens: bool | None, closes: bool | None, keys: FoldRow
) -> FoldSession | None:
    """The session that a row joins or begins."""
    # Splunk's `connected=f` and rows that open or close: they join whatever is open, with or without a shared key.
    anywhere = not keys or not sessions.limits.connected or (bool(opens or closes) and not sessions.limits.ends_match)
    if not anywhere and all(k is None for k in keys):
        return None
    session = sessions.partner(keys, anywhere)
    if session is not None and (opens or sessions.limits.exceeded(session, time)):
        session.full = not opens
        session.open = False
        session = None
    if session is None:
        session = sessions.begin(time, keys, bool(opens))
    sessions.join(session, time, keys)
    if closes:
        session.closed, session.open = True, False
    return session


def complete(session: FoldSession, limits: Limits, newest: float | None, opening: bool, closing: bool) -> bool:
    """Whether a session is closed: by the rows that open and close it where there are such, else by a limit."""
    by_limit = session.full or limits.exceeded(session, newest)
    if opening or closing:
        by_rows = (session.opened or not opening) and (session.closed or not closing)
        return by_rows or (limits.closing and by_limit)
    return by_limit


def compute_series_of(rows: Sequence[FoldRow]) -> list[float | None]:
    """The number of each row's series; None for a row in none.

    A row is longest duration and pause, time, whether it starts a series, whether it ends one, in the order of time.
    Where rows start series, one that comes before the first, or after an end, is in none.
    """
    made: list[float | None] = []
    number, first, last = 0, 0.0, 0.0
    going = False
    for longest, pause, time, starts, ends in rows:
        now = last if time is None else time
        far = (pause is not None and now - last > pause) or (longest is not None and now - first > longest)
        # Null, not false, says that nothing starts a series: then a pause begins the next one.
        if starts or (starts is None and (far or not going)):
            number, first, going = number + 1, now, True
        elif far:
            going = False
        made.append(float(number) if going else None)
        last = now
        going = going and not ends
    return made


def smooth_exponentially(rows: Sequence[FoldRow]) -> list[float | None]:
    """The exponential average of each row and those before it: so much of the one before, the rest of its own number.

    A row is a number and the weight; a row without a number keeps the average before.
    """
    found: list[float | None] = []
    average: float | None = None
    for value, weight in rows:
        if value is not None:
            average = value if average is None else weight * average + (1.0 - weight) * value
        found.append(average)
    return found


FOLDS: dict[Operation, Fold] = {
    ops.session_of: compute_session_of,
    ops.series_of: compute_series_of,
    ops.smoothed: smooth_exponentially,
}
"""By operation; the result has a value for each row of the partition."""
