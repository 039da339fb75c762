"""Lines of a text in large pieces, for readers that look at many lines at once."""

from __future__ import annotations

from collections.abc import Iterator

from harness.record import record
from harness.telemetry.events.input import LONGEST_RECORD, Stream
from harness.telemetry.events.marked_lines import LINE_END
from harness.telemetry.events.text_slices import count_bytes

# Some 7,000 to 30,000 events: what is done once for all lines of a form costs little beside them; larger ones cost
# memory that is new each time.
PIECE = 8 << 20


@record
class LinePiece:
    """Whole lines, each with its end, and the number of the first; or one line that is too long to be read."""

    first: int
    text: bytes


def list_line_pieces(stream: Stream) -> Iterator[LinePiece]:
    """All lines in pieces; one that is too long is damage."""
    waiting: list[bytes] = []
    size, number, skipping, rest = 0, 1, False, 0
    for block in stream.text_blocks():
        if skipping:
            _, found, block = block.partition(b"\n")
            if not found:
                continue
            number, skipping = number + 1, False
        waiting.append(block)
        size += len(block)
        end = block.rfind(b"\n") + 1
        rest = len(block) - end if end else rest + len(block)
        if size < PIECE and rest <= LONGEST_RECORD:
            continue
        left = b""
        if end:
            waiting[-1], left = block[:end], block[end:]
            text = b"".join(waiting)
        else:
            whole = b"".join(waiting)
            text, left = whole[: size - rest], whole[size - rest :]
        if text:
            yield LinePiece(number, text)
            number += count_bytes(text, LINE_END)
        if rest > LONGEST_RECORD:
            stream.damage(f"{stream.name}: line {number}", f"longer than {LONGEST_RECORD >> 20} MiB; not read")
            left, skipping = b"", True
        waiting, size, rest = [left], len(left), len(left)
    if last := b"".join(waiting):
        yield LinePiece(number, last if last.endswith(b"\n") else last + b"\n")
