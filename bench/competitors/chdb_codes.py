"""`python -m bench.competitors.chdb_codes FILE`: the SPL rule in chdb on Parquet, text as LowCardinality."""

from __future__ import annotations

import json
import sys

import chdb

from bench.competitors.detections import (
    ADDRESS_REGEX,
    IMAGE_REGEX,
    NAME_REGEX,
    SPL_COLUMNS,
    SPL_KEYS,
    SPL_LIMIT,
    SUSPICIOUS,
    print_table,
)


def escaped(regex: str) -> str:
    """A regular expression as a text of ClickHouse, which has escapes of its own."""
    return "'" + regex.replace("\\", "\\\\") + "'"


def statement(path: str) -> str:
    """The whole detection."""
    keys = ", ".join(SPL_KEYS)
    held = ", ".join(f"{name} LowCardinality(Nullable(String))" for name in (*SPL_KEYS, "DestinationPort"))
    # formatDateTime: %i are minutes, %M would be the name of the month (engine.md 4).
    hour = "formatDateTime(toDateTime({} * 3600, 'UTC'), '%Y-%m-%d %H:00:00')"
    return f"""
WITH hourly AS (
  SELECT {keys}, toInt32(floor(_time / 3600)) AS hour, toInt64(count()) AS connections,
    groupUniqArray(DestinationPort) AS ports
  FROM file('{path}', Parquet, '_time Float64, {held}')
  WHERE NOT match(DestinationHostname, {escaped(NAME_REGEX)}) AND NOT match(DestinationIp, {escaped(ADDRESS_REGEX)})
    AND NOT match(Image, {escaped(IMAGE_REGEX)}) AND {" AND ".join(f"{key} IS NOT NULL" for key in SPL_KEYS)}
  GROUP BY {keys}, hour
), flows AS (
  SELECT {keys}, sum(connections) AS total, toInt64(count()) AS n, sum(connections * connections) AS squares,
    arraySort(groupUniqArrayArray(ports)) AS ports, min(hour) AS first, max(hour) AS last
  FROM hourly GROUP BY {keys} HAVING total >= 10 AND n >= 2
), scored AS (
  SELECT *, total / n AS average, sqrt((n * squares - total * total) / (n * (n - 1))) / average AS ratio,
    toInt64(match(Image, {escaped(SUSPICIOUS)})) AS suspicious, toInt64(ratio < 0.5 AND average >= 0.5) AS beacon
  FROM flows
)
SELECT {keys}, total, n, average, ratio, ports, {hour.format("first")}, {hour.format("last")}, suspicious, beacon,
  suspicious + beacon + (total > 50) AS score
FROM scored WHERE score >= 1 ORDER BY score DESC, total DESC, {keys} LIMIT {SPL_LIMIT}
SETTINGS output_format_json_quote_64bit_integers = 0, max_threads = 2, allow_suspicious_low_cardinality_types = 1
"""


def main(path: str) -> None:
    """Runs the rule and prints its rows."""
    answer = json.loads(chdb.query(statement(path), "JSONCompact").bytes())
    print_table(SPL_COLUMNS, answer["data"])


if __name__ == "__main__":
    main(sys.argv[1])
