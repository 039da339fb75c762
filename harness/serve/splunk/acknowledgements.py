"""Numbers by which a client asks whether the collector has what it sent, by token and channel."""

from __future__ import annotations

from collections.abc import Iterable

# Both as limits.conf has them: max_number_of_ack_channel, max_number_of_acked_requests_pending_query_per_ack_channel.
MOST_CHANNELS = 100_000
MOST_PENDING = 1_000_000

ChannelKey = tuple[str, str]


class Acknowledgements:
    """A request is on the disk before its number is given out, so a number that is known is acknowledged."""

    def __init__(self) -> None:
        self.next: dict[ChannelKey, int] = {}
        self.pending: dict[ChannelKey, dict[int, None]] = {}

    def begin(self, token: str, channel: str) -> int:
        """The number of a request that was taken; the channel that was used longest ago is forgotten for a new one."""
        key = (token, channel.lower())
        number = self.next.pop(key, 0)
        while len(self.next) >= MOST_CHANNELS:
            oldest = next(iter(self.next))
            del self.next[oldest]
            self.pending.pop(oldest, None)
        self.next[key] = number + 1
        pending = self.pending.setdefault(key, {})
        pending[number] = None
        while len(pending) > MOST_PENDING:
            del pending[next(iter(pending))]
        return number

    def end(self, token: str, channel: str, numbers: Iterable[int]) -> dict[int, bool]:
        """For each number whether it is acknowledged, which is told once."""
        pending = self.pending.get((token, channel.lower()), {})
        found = {}
        for number in numbers:
            found[number] = number in pending
            pending.pop(number, None)
        return found
