"""`python -m bench.mixed SAMPLE COPIES OUT`: real events many times over, each with a number and a time of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

NUMBER = re.compile(rb'"EventRecordID":"\d+"')
# The digits of 100 ns: a minute or a day more would move events among one another.
FRACTION = re.compile(rb'("SystemTime":"[^".]*\.)\d+')


def write(sample: Path, copies: int, out: Path) -> int:
    """Writes the copies and gives the number of events."""
    lines = sample.read_bytes().splitlines(keepends=True)
    written = 0
    with out.open("wb") as file:
        for _ in range(copies):
            for line in lines:
                written += 1
                line = NUMBER.sub(b'"EventRecordID":"%d"' % written, line, count=1)
                file.write(FRACTION.sub(rb"\g<1>%07d" % written, line, count=1))
    return written


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
