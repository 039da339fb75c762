"""Hostile rules, each run by the command within limits: seconds, memory and exit code, as a table.

python -m tests.hostile_inputs [--time-limit 1] [--memory-limit 1GB]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

EVENT = {
    "timestamp": "2026-03-03T09:12:00.000Z",
    "EventID": 3,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Computer": "WS01",
    "Image": "C:\\Windows\\System32\\cmd.exe",
    "DestinationIp": "203.0.113.10",
    "UtcTime": "2026-03-03 09:12:00.000",
}
MANY = range(4000)
ENDLESS = {
    "mvrange_1e9.spl": "| makeresults | eval x=mvrange(0,1000000000) | eval n=mvcount(x) | table n",
    "mvexpand_1e6.spl": "| makeresults | eval x=mvrange(0,1000000) | mvexpand x | eval y=x.x | stats dc(y)",
    "foreach_nested.spl": "index=* | foreach * [foreach * [foreach * [eval z=1]]] | stats count",
    "doubled_400.spl": 'index=* | eval x="abcdefgh" ' + "| eval x=x+x " * 400 + "| stats count by x",
    "appendpipe_30.spl": "index=* " + "| appendpipe [eval a=1] " * 30,
    "replace_9.spl": '| makeresults | eval x="aaaaaaaaaa" '
    + '| eval x=replace(x,"a","aaaaaaaaaa") ' * 9
    + "| eval n=len(x) | table n",
    "pairs.spl": "index=* | eval one=1 " + "| join max=0 one [search index=* | eval one=1] " * 12 + "| stats dc(host)",
}
"""Rules that would run for ever, or take all memory there is."""
COSTLY = {
    "in_4000.spl": f"index=* | where EventCode IN ({', '.join(json.dumps(str(i)) for i in MANY)}) | stats count",
    "in_4000.cql": f"in(ComputerName, values=[{', '.join(json.dumps(f'evil{i}') for i in MANY)}]) | count()",
    "or_4000.spl": f"index=* ({' OR '.join(f'DestinationIp=evil{i}.com' for i in MANY)}) | stats count",
    "globs_15000.cql": f"in(Image, values=[{', '.join(json.dumps(f'*v{i}*') for i in range(15_000))}]) | count()",
    "format_20000.cql": f'x := formatTime("{"%c" * 20_000}", field=@timestamp) | count()',
    "assigned_1900.spl": "| makeresults | eval x0=1"
    + "".join(f", x{i + 1}=x{i}+1" for i in range(1900))
    + " | table x1900",
}
"""Rules whose cost must grow with their size and not with its square."""


@dataclass(frozen=True)
class Measured:
    """What one command line took."""

    code: int
    seconds: float
    cpu: float
    megabytes: float
    said: str


def write_inputs(folder: Path) -> Path:
    """Writes all rules and some events, of which the path is given."""
    for name, text in {**ENDLESS, **COSTLY, "quick.spl": "index=* | stats count"}.items():
        (folder / name).write_text(text)
    events = folder / "events.ndjson"
    events.write_text("".join(json.dumps({**EVENT, "DestinationPort": str(i)}) + "\n" for i in range(26)))
    return events


# A process takes the peak of whoever started it for its own (exec keeps it), so a small one stands in between: a pytest
# worker has had a gigabyte.
MEASURING = """
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
said = process.stdout.read().decode(errors="replace")
_, status, used = os.wait4(process.pid, 0)
seconds, cpu = time.monotonic() - began, used.ru_utime + used.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, cpu, used.ru_maxrss * 1024 / 1e6, said.strip()]))
"""


def measure(*arguments: str | Path) -> Measured:
    """Runs `detlab` with these arguments in a process of its own; its memory is the largest of it and its children."""
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", *map(str, arguments)]
    done = subprocess.run([sys.executable, "-c", MEASURING, *command], stdout=subprocess.PIPE, check=True)
    return Measured(*json.loads(done.stdout))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time-limit", default="1")
    parser.add_argument("--memory-limit", default="1GB")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    limits = ("--time-limit", given.time_limit, "--memory-limit", given.memory_limit)
    with TemporaryDirectory() as folder:
        events = write_inputs(Path(folder))
        print(
            f"| input ({' '.join(limits)}) | seconds | CPU | MB | exit | says |\n|---|---|---|---|---|---|", flush=True
        )
        for name in given.names or ["quick.spl", *ENDLESS, *COSTLY]:
            found = measure("query", Path(folder) / name, "--events", events, *limits)
            first = found.said.splitlines()[0] if found.code else ""
            row = (name, f"{found.seconds:.1f}", f"{found.cpu:.1f}", f"{found.megabytes:.0f}", str(found.code), first)
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
