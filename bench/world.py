"""A week of Sysmon event 3 in an estate of 5,000 hosts, skewed as real ones are: codes first, text last."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

# The estate of reference/engine.md 1, so that figures there and here are of the same events; the sizes
# themselves are chosen, no source.
HOSTS, IMAGES, ADDRESSES, NAMES, FLOWS, BEACONS = 5_000, 200, 50_000, 10_600, 250_000, 400
START = 1_767_571_200.0
"""Monday 2026-01-05, 00:00 UTC."""
WEEK = 7 * 86_400
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
PORTS = np.array(["443", "80", "8080", "8443", "53", "445", "3389", "22", "993", "5671"], dtype=object)

Codes = NDArray[np.int32]


def images() -> list[str]:
    """Paths: browsers and living-off-the-land binaries first, then the estate's own programs."""
    known = [rf"C:\Program Files\Vendor\{n}.exe" for n in BROWSERS] + [rf"C:\Windows\System32\{n}.exe" for n in LOLBINS]
    return known + [rf"C:\Program Files\App{i}\service{i}.exe" for i in range(IMAGES - len(known))]


def addresses(random: Generator) -> list[str]:
    """Half private, half public."""
    parts = random.integers(1, 255, (ADDRESSES, 3))
    # Half, chosen: excluding private addresses is the longest list of the rule.
    private = random.random(ADDRESSES) < 0.5
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


def table(events: int, seed: int = 1) -> pa.Table:
    """So many events in the order of time, text as dictionaries."""
    random = default_rng(seed)
    known = flows(random)
    # Sizes of flows spread over several powers of ten; 2.2 is chosen, no source.
    share = random.lognormal(0, 2.2, FLOWS)
    # 3 % are left for the beacons, so that the sum comes near the number asked for.
    flow = np.repeat(np.arange(FLOWS), random.poisson(share / share.sum() * events * 0.97)).astype(np.int32)
    seconds = office_hours(random, len(flow))
    beacons = random.choice(FLOWS, BEACONS, replace=False)
    # Periods from a minute to half an hour, as in reference/engine.md 1.
    every = random.uniform(60, 1800, BEACONS)
    # A twentieth at most: in a small file a week of beacons would be all there is.
    counts = np.minimum((WEEK / every).astype(int), max(1, events // (20 * BEACONS)))
    steady = [
        start + np.arange(n) * e for start, n, e in zip(random.random(BEACONS) * 3600, counts, every, strict=True)
    ]
    flow = np.concatenate([flow, np.repeat(beacons, counts).astype(np.int32)])
    seconds = np.concatenate([seconds, *steady])
    order = np.argsort(seconds, kind="stable")
    flow, seconds = flow[order], seconds[order]
    words = {
        "host": [f"WS{i:05}" for i in range(HOSTS)],
        "Image": images(),
        "DestinationIp": addresses(random),
        "DestinationHostname": names(),
        "DestinationPort": list(PORTS),
    }
    # Milliseconds, as Sysmon writes UtcTime.
    columns: dict[str, pa.Array] = {"_time": pa.array(np.round(START + seconds, 3))}
    for name, codes in known.items():
        picked = codes[flow]
        mask = picked < 0
        columns[name] = pa.DictionaryArray.from_arrays(
            pa.array(np.where(mask, 0, picked), pa.int32(), mask=mask if mask.any() else None), pa.array(words[name])
        )
    return pa.table(columns)


def write(path: Path, events: int) -> None:
    """The world as a Parquet file, or as a table `events` of a .duckdb file."""
    made = table(events)
    if path.suffix == ".duckdb":
        connection = duckdb.connect(str(path))
        connection.register("made", made)
        connection.execute("CREATE TABLE events AS SELECT * FROM made")
        connection.close()
    else:
        # Written as lakes hold it: 15 bytes an event, large row groups.
        pq.write_table(made, path, compression="zstd", row_group_size=1_000_000)
