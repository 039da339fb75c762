"""`python -m bench.competitors.pandas_categories FILE`: the SPL rule in pandas on categories and their codes."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from bench.competitors.detections import (
    ADDRESS_REGEX,
    HOUR,
    IMAGE_REGEX,
    NAME_REGEX,
    SPL_COLUMNS,
    SPL_KEYS,
    SPL_LIMIT,
    SUSPICIOUS,
    print_table,
)

TEXTS = [*SPL_KEYS, "DestinationPort"]


def load(path: str) -> pd.DataFrame:
    """The columns that the rule reads, text as categories of one dictionary each."""
    table = pq.read_table(path, columns=["_time", *TEXTS], read_dictionary=TEXTS)
    return table.unify_dictionaries().to_pandas()


def allowed(column: pd.Series, regex: str) -> np.ndarray:
    """Which rows a regular expression does not exclude, asked once a category; absent values are excluded."""
    kept = ~column.cat.categories.to_series().str.contains(regex, regex=True).to_numpy(dtype=bool)
    return np.append(kept, False)[column.cat.codes.to_numpy()]


def hours_of(events: pd.DataFrame) -> pd.DataFrame:
    """Counts by keys and hour of the events that the rule's first clause keeps."""
    kept = (
        allowed(events["Image"], IMAGE_REGEX)
        & allowed(events["DestinationIp"], ADDRESS_REGEX)
        & allowed(events["DestinationHostname"], NAME_REGEX)
        & (events["host"].cat.codes.to_numpy() >= 0)
    )
    events = events[kept]
    keys = pd.DataFrame({name: events[name].cat.codes.to_numpy() for name in [*SPL_KEYS, "DestinationPort"]})
    keys["hour"] = np.floor(events["_time"].to_numpy() / 3600).astype(np.int32)
    return keys.groupby([*SPL_KEYS, "DestinationPort", "hour"], sort=False).size().rename("n").reset_index()


def risky(cube: pd.DataFrame) -> pd.DataFrame:
    """Flows with their statistics and scores, without their ports."""
    hourly = cube.groupby([*SPL_KEYS, "hour"], sort=False)["n"].sum().reset_index()
    hourly["square"] = hourly["n"] ** 2
    flows = hourly.groupby(SPL_KEYS, sort=False).agg(
        total=("n", "sum"), active=("n", "size"), squares=("square", "sum"), first=("hour", "min"), last=("hour", "max")
    )
    flows = flows[(flows["total"] >= 10) & (flows["active"] >= 2)].reset_index()
    total, active = flows["total"], flows["active"]
    flows["average"] = total / active
    spread = np.sqrt((active * flows["squares"] - total * total) / (active * (active - 1)))
    flows["ratio"] = spread / flows["average"]
    flows["beacon"] = ((flows["ratio"] < 0.5) & (flows["average"] >= 0.5)).astype(int)
    return flows


def main(path: str) -> None:
    """Runs the rule and prints its rows."""
    events = load(path)
    cube = hours_of(events)
    flows = risky(cube)
    words = {name: events[name].cat.categories.to_numpy(dtype=object) for name in TEXTS}
    suspicious = pd.Series(words["Image"]).str.contains(SUSPICIOUS, regex=True).to_numpy(dtype=bool).astype(int)
    flows["suspicious"] = suspicious[flows["Image"].to_numpy()]
    flows["score"] = flows["suspicious"] + flows["beacon"] + (flows["total"] > 50).astype(int)
    flows = flows[flows["score"] >= 1]
    ports = cube.merge(flows[SPL_KEYS], on=SPL_KEYS).groupby(SPL_KEYS)["DestinationPort"].unique().rename("ports")
    flows = flows.merge(ports, left_on=SPL_KEYS, right_index=True)
    for name in SPL_KEYS:
        flows[name] = words[name][flows[name].to_numpy()]
    flows = flows.sort_values(["score", "total", *SPL_KEYS], ascending=[False, False, *[True] * 4]).head(SPL_LIMIT)
    flows["ports"] = [sorted(words["DestinationPort"][codes]) for codes in flows["ports"]]
    for name in ("first", "last"):
        flows[name] = pd.to_datetime(flows[name].astype("int64") * 3600, unit="s").dt.strftime(HOUR)
    names = [
        *SPL_KEYS,
        "total",
        "active",
        "average",
        "ratio",
        "ports",
        "first",
        "last",
        "suspicious",
        "beacon",
        "score",
    ]
    print_table(SPL_COLUMNS, zip(*(flows[name].tolist() for name in names), strict=True))


if __name__ == "__main__":
    main(sys.argv[1])
