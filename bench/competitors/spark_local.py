"""`python -m bench.competitors.spark_local FILE`: the SPL rule as Spark SQL, on Spark with two threads."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

from bench.competitors.detections import (
    ADDRESS_REGEX,
    DEVIATION,
    IMAGE_REGEX,
    NAME_REGEX,
    SPL_COLUMNS,
    SPL_KEYS,
    SPL_LIMIT,
    SUSPICIOUS,
    print_table,
)


def literal(regex: str) -> str:
    """A regular expression as a raw text of Spark."""
    return f"r'{regex}'"


def statement() -> str:
    """The whole detection over a view `events`."""
    keys = ", ".join(SPL_KEYS)
    hour = "date_format(timestamp_seconds({} * 3600), 'yyyy-MM-dd HH:00:00')"
    return f"""
WITH hourly AS (
  SELECT {keys}, CAST(floor(_time / 3600) AS BIGINT) AS hour, count(*) AS connections,
    collect_set(DestinationPort) AS ports
  FROM events
  WHERE NOT DestinationHostname RLIKE {literal(NAME_REGEX)} AND NOT DestinationIp RLIKE {literal(ADDRESS_REGEX)}
    AND NOT Image RLIKE {literal(IMAGE_REGEX)} AND {" AND ".join(f"{key} IS NOT NULL" for key in SPL_KEYS)}
  GROUP BY {keys}, hour
), flows AS (
  SELECT {keys}, sum(connections) AS total, count(*) AS n, sum(connections * connections) AS squares,
    sort_array(array_distinct(flatten(collect_list(ports)))) AS ports, min(hour) AS first, max(hour) AS last
  FROM hourly GROUP BY {keys}
), scored AS (
  SELECT *, total / n AS average, {DEVIATION} / (total / n) AS ratio,
    CASE WHEN Image RLIKE {literal(SUSPICIOUS)} THEN 1 ELSE 0 END AS suspicious
  FROM flows WHERE total >= 10 AND n >= 2
), risky AS (
  SELECT *, CASE WHEN ratio < 0.5 AND average >= 0.5 THEN 1 ELSE 0 END AS beacon FROM scored
)
SELECT {keys}, total, n, average, ratio, ports, {hour.format("first")}, {hour.format("last")}, suspicious, beacon,
  suspicious + beacon + CASE WHEN total > 50 THEN 1 ELSE 0 END AS score
FROM risky WHERE suspicious + beacon + CASE WHEN total > 50 THEN 1 ELSE 0 END >= 1
ORDER BY score DESC, total DESC, {keys} LIMIT {SPL_LIMIT}
"""


def main(path: str) -> None:
    """Runs the rule and prints its rows."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.memory", "4g")
        # Two partitions for two threads: the default of 200 is for a cluster.
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    spark.read.parquet(path).createOrReplaceTempView("events")
    print_table(SPL_COLUMNS, (tuple(row) for row in spark.sql(statement()).collect()))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
