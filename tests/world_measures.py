"""What a simulated world has of a company's day: `python -m tests.world_measures WORLD` prints the medians a host-day.

Beside each stands what recordings have (telemetry.md, addenda; samples/sysmon_1_3_22.ndjson.gz).
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from harness.telemetry.events.text_columns import encode_text, list_event_fields
from harness.telemetry.format import read_telemetry
from harness.telemetry.simulation.world.interruptions import is_outside_address

DAY, HOUR = 86_400_000_000, 3_600_000_000


def read_columns(telemetry, kind, names):
    """Columns of one kind of Sysmon events as arrays of text, and their times in microseconds."""
    found = defaultdict(list)
    for events in telemetry.of("sysmon", kind):
        fields = list_event_fields(events)
        found["@time"].append(events.columns.column("@time").cast(pa.int64()).to_numpy())
        for name in names:
            field = fields.get(name, "")
            texts = (
                [field] * len(events) if isinstance(field, str) else encode_text(field).cast(pa.string()).to_pylist()
            )
            found[name].append(np.array(texts, object))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def count_host_days(columns):
    """How many events each host has on each day on which it has any."""
    return np.array(list(Counter(zip(columns["Computer"], columns["@time"] // DAY, strict=True)).values()))


def measure_pairs(columns):
    """Destinations a host-day, the share with ten calls in two hours, and the share that alerts as published."""
    pairs = defaultdict(Counter)
    outside = {a: is_outside_address(a) for a in set(columns["DestinationIp"])}
    for host, at, address in zip(columns["Computer"], columns["@time"], columns["DestinationIp"], strict=True):
        if outside[address]:
            pairs[host, at // DAY, address][at // HOUR] += 1
    many = [np.array(list(c.values())) for c in pairs.values() if len(c) >= 2 and sum(c.values()) >= 10]
    alerts = [c for c in many if c.sum() > 50 or c.std(ddof=1) / c.mean() < 0.5]
    each = Counter((host, day) for host, day, _ in pairs)
    return np.median(list(each.values())), len(many) / len(pairs), len(alerts) / len(pairs)


def measure_world(path):
    """Names and values of all measures."""
    telemetry = read_telemetry(Path(path))
    starts = read_columns(telemetry, "1", ["Computer", "CommandLine", "Image"])
    files = read_columns(telemetry, "11", ["Computer", "TargetFilename"])
    values = read_columns(telemetry, "13", ["Computer"])
    names = read_columns(telemetry, "22", ["QueryName", "QueryResults", "QueryStatus"])
    calls = read_columns(telemetry, "3", ["Computer", "DestinationIp"])
    answered = names["QueryResults"][names["QueryStatus"] == "0"]
    pairs, volume, alerting = measure_pairs(calls)
    return {
        "process creations a host-day, median (recorded 1,050)": float(np.median(count_host_days(starts))),
        "process creations a host-day, nine of ten": float(np.percentile(count_host_days(starts), 90)),
        "distinct command lines": len(set(starts["CommandLine"])),
        "distinct images": len(set(starts["Image"])),
        "file creations a host-day, median (recorded 3.25 a minute)": float(np.median(count_host_days(files))),
        "registry values a host-day, median": float(np.median(count_host_days(values))),
        "distinct names": len(set(names["QueryName"])),
        "public addresses": sum(is_outside_address(a) for a in set(calls["DestinationIp"])),
        "answers with a CNAME (recorded 40 %)": float(np.mean(["type:  5" in r for r in answered])),
        "answers with several records (recorded 56 %)": float(np.mean([r.count(";") > 1 for r in answered])),
        "destinations a host-day, median (RITA 272)": float(pairs),
        "of these with ten calls in two hours (RITA 13 %)": volume,
        "of these that alert (RITA 9.8 %)": alerting,
    }


if __name__ == "__main__":
    for title, value in measure_world(sys.argv[1]).items():
        sys.stdout.write(f"{title}: {value:,.3g}\n" if value < 1 else f"{title}: {value:,.0f}\n")
