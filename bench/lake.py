"""`python -m bench.lake KIND EVENTS FILE`: weeks of connections in an estate of 5,000 hosts.

KIND is `sysmon` (event 3 under Splunk's names of fields) or `falcon` (NetworkConnectIP4). It is skewed as real estates
are; FILE is .parquet, .duckdb, .csv or .json, or a folder .lake with a Parquet file for each of ten weeks.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

# The estate of reference/engine.md 1, so that figures there and here are of the same events; the sizes
# themselves are chosen, no source.
HOSTS, IMAGES, ADDRESSES, NAMES, FLOWS, BEACONS = 5_000, 200, 50_000, 10_600, 250_000, 400
START = 1_767_571_200.0
"""Monday 2026-01-05, 00:00 UTC."""
WEEK = 7 * 86_400
WEEKS = 10
"""Parts of a folder of files."""
# Domains and programs that server.spl excludes, so that its filter has work to do: it keeps about a quarter.
ALLOWED = [
    "microsoft.com",
    "windows.com",
    "office.com",
    "azure.com",
    "microsoftonline.com",
    "office365.com",
    "amazonaws.com",
    "cloudflare.com",
    "digicert.com",
    "verisign.com",
]
BROWSERS = [
    "msedge",
    "chrome",
    "firefox",
    "iexplore",
    "opera",
    "brave",
    "outlook",
    "teams",
    "slack",
    "zoom",
    "onedrive",
    "msedgewebview2",
]
# Programs that the rule calls suspicious.
LOLBINS = [
    "powershell",
    "pwsh",
    "cmd",
    "wscript",
    "cscript",
    "rundll32",
    "regsvr32",
    "mshta",
    "certutil",
    "bitsadmin",
    "curl",
    "wget",
    "msiexec",
]
# Chosen: excluding private addresses is the longest list of the SPL rule. The CQL rule asks little else, and more than
# a million groups LogScale does not keep.
PRIVATE = {"sysmon": 0.5, "falcon": 0.65}
PORTS = np.array(["443", "80", "8080", "8443", "53", "445", "3389", "22", "993", "5671"], dtype=object)

Codes = NDArray[np.int32]


def images() -> list[str]:
    """Paths: browsers and living-off-the-land binaries first, then the estate's own programs."""
    known = [rf"C:\Program Files\Vendor\{n}.exe" for n in BROWSERS] + [rf"C:\Windows\System32\{n}.exe" for n in LOLBINS]
    return known + [rf"C:\Program Files\App{i}\service{i}.exe" for i in range(IMAGES - len(known))]


def addresses(random: Generator, share: float) -> list[str]:
    """A share of them private, the rest public."""
    parts = random.integers(1, 255, (ADDRESSES, 3))
    private = random.random(ADDRESSES) < share
    return [f"10.{a}.{b}.{c}" if p else f"203.{a}.{b}.{c}" for p, (a, b, c) in zip(private, parts, strict=True)]


def names() -> list[str]:
    """Host names: one in three under a domain that the rule allows."""
    return [f"n{i}.{ALLOWED[i % len(ALLOWED)]}" if i % 3 == 0 else f"srv{i}.example{i % 97}.net" for i in range(NAMES)]


def skewed(random: Generator, count: int, size: int) -> Codes:
    """Codes below `size`, the low ones far more often."""
    # A Pareto tail below 1 has no mean: a few codes take most of the draws. Both numbers are chosen by eye, no source.
    return np.minimum(random.pareto(0.9, count) * size / 60, size - 1).astype(np.int32)


def flows(random: Generator) -> dict[str, Codes]:
    """Who talks to whom: host, image, address, its name (-1 for none) and port, one entry a flow."""
    # Chosen, no source.
    browser = random.random(FLOWS) < 0.45
    image = np.where(
        browser, random.integers(0, len(BROWSERS), FLOWS), len(BROWSERS) + skewed(random, FLOWS, IMAGES - 12)
    )
    address = random.integers(0, ADDRESSES, FLOWS)
    # 11.5 % of reference/engine.md's connections have no host name; the rule's BY drops them.
    name = np.where(random.random(FLOWS) < 0.115, -1, address % NAMES)
    return {
        "host": random.integers(0, HOSTS, FLOWS).astype(np.int32),
        "Image": np.minimum(image, IMAGES - 1).astype(np.int32),
        "DestinationIp": address.astype(np.int32),
        "DestinationHostname": name.astype(np.int32),
        "DestinationPort": skewed(random, FLOWS, len(PORTS)),
    }


def office_hours(random: Generator, count: int) -> NDArray[np.float64]:
    """Seconds into the week: working hours of working days are five times as busy."""
    day, hour = np.divmod(np.arange(168), 24)
    # Five times is chosen, no source: an office's laptops sleep at night, its servers do not.
    weight = np.where((day < 5) & (hour >= 8) & (hour < 18), 5.0, 1.0)
    hours = random.choice(168, count, p=weight / weight.sum())
    return hours * 3600.0 + random.random(count) * 3600.0


def table(kind: str, events: int, week: int = 0) -> pa.Table:
    """So many events of a week in the order of time, text as dictionaries; all weeks are of one estate."""
    estate = default_rng(1)
    known = flows(estate)
    # Sizes of flows spread over several powers of ten; 2.2 is chosen, no source.
    share = estate.lognormal(0, 2.2, FLOWS)
    words = {
        "host": [f"WS{i:05}" for i in range(HOSTS)],
        "Image": images(),
        "DestinationIp": addresses(estate, PRIVATE[kind]),
        "DestinationHostname": names(),
        "DestinationPort": list(PORTS),
    }
    random = default_rng([1, week])
    # 3 % are left for the beacons, so that the sum comes near the number asked for.
    flow = np.repeat(np.arange(FLOWS), random.poisson(share / share.sum() * events * 0.97)).astype(np.int32)
    flow, seconds = with_beacons(random, flow, events)
    order = np.argsort(seconds, kind="stable")
    flow, seconds = flow[order], seconds[order]
    # Milliseconds, as Sysmon writes UtcTime.
    columns: dict[str, pa.Array] = {"_time": pa.array(np.round(START + week * WEEK + seconds, 3))}
    for name, codes in known.items():
        picked = codes[flow]
        mask = picked < 0
        columns[name] = pa.DictionaryArray.from_arrays(
            pa.array(np.where(mask, 0, picked), pa.int32(), mask=mask if mask.any() else None), pa.array(words[name])
        )
    return pa.table(columns)


def with_beacons(random: Generator, flow: Codes, events: int) -> tuple[Codes, NDArray[np.float64]]:
    """The flows of all events and their seconds: those given in office hours, and steady ones beside them."""
    seconds = office_hours(random, len(flow))
    beacons = random.choice(FLOWS, BEACONS, replace=False)
    # Periods from a minute to half an hour, as in reference/engine.md 1.
    every = random.uniform(60, 1800, BEACONS)
    # A twentieth at most: in a small file a week of beacons would be all there is.
    counts = np.minimum((WEEK / every).astype(int), max(1, events // (20 * BEACONS)))
    steady = [
        start + np.arange(n) * e for start, n, e in zip(random.random(BEACONS) * 3600, counts, every, strict=True)
    ]
    return np.concatenate([flow, np.repeat(beacons, counts).astype(np.int32)]), np.concatenate([seconds, *steady])


def constant(value: str, rows: int) -> pa.DictionaryArray:
    """A column that holds one text."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def sysmon_lake(made: pa.Table) -> pa.Table:
    """The events as a search of Splunk exports them."""
    fixed = {
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "EventCode": "3",
        "index": "wineventlog",
        "sourcetype": "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational",
    }
    for name, value in fixed.items():
        made = made.append_column(name, constant(value, len(made)))
    return made


def falcon_lake(made: pa.Table) -> pa.Table:
    """The connections as LogScale exports them; it has no names of addresses."""
    names = ["@timestamp", "ComputerName", "ImageFileName", "RemoteAddressIP4", "RemotePort"]
    made = made.drop_columns(["DestinationHostname"]).rename_columns(names)
    milliseconds = pc.cast(pc.round(pc.multiply(made.column("@timestamp"), 1000)), pa.int64())
    made = made.set_column(0, "@timestamp", milliseconds)
    return made.append_column("#event_simpleName", constant("NetworkConnectIP4", len(made)))


LAKES = {"sysmon": sysmon_lake, "falcon": falcon_lake}


def write_parquet(path: Path, made: pa.Table) -> int:
    """Writes a file as lakes hold it and gives the number of its events."""
    # 15 bytes an event, large row groups, no word of Arrow's own types in it.
    pq.write_table(made, path, compression="zstd", row_group_size=1_000_000, store_schema=False)
    return len(made)


def write(path: Path, kind: str, events: int) -> int:
    """Writes the lake and gives the number of its events."""
    if path.suffix == ".lake":
        path.mkdir()
        parts = (LAKES[kind](table(kind, events // WEEKS, week)) for week in range(WEEKS))
        return sum(write_parquet(path / f"week-{week}.parquet", made) for week, made in enumerate(parts))
    made = LAKES[kind](table(kind, events))
    if path.suffix == ".parquet":
        return write_parquet(path, made)
    connection = duckdb.connect(str(path) if path.suffix == ".duckdb" else ":memory:")
    connection.register("made", made)
    connection.execute("CREATE TABLE events AS SELECT * FROM made")
    if path.suffix != ".duckdb":
        connection.execute(f"COPY events TO '{path}'")
    connection.close()
    return len(made)


if __name__ == "__main__":
    print(write(Path(sys.argv[3]), sys.argv[1], int(sys.argv[2])))
