"""`python -m bench.competitors.polars_stream FILE`: the SPL rule in Polars, lazily and by its streaming engine."""

from __future__ import annotations

import sys

import polars as pl

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


def main(path: str) -> None:
    """Runs the rule and prints its rows."""
    found = rate_connections(count_connections(path))
    print_table(SPL_COLUMNS, found.collect(engine="streaming").rows())


def count_connections(path: str) -> pl.LazyFrame:
    """The rule up to its first statistics: what each program called, by the hour and then by the hours together."""
    hour = (pl.col("_time") / 3600).floor().cast(pl.Int32).alias("hour")
    return (
        pl.scan_parquet(path)
        .filter(
            ~pl.col("DestinationHostname").str.contains(NAME_REGEX),
            ~pl.col("DestinationIp").str.contains(ADDRESS_REGEX),
            ~pl.col("Image").str.contains(IMAGE_REGEX),
            *(pl.col(key).is_not_null() for key in SPL_KEYS),
        )
        .group_by(*SPL_KEYS, hour)
        .agg(pl.len().cast(pl.Int64).alias("connections"), pl.col("DestinationPort").unique().alias("ports"))
        .group_by(SPL_KEYS)
        .agg(
            pl.col("connections").sum().alias("TotalConnections"),
            pl.len().cast(pl.Int64).alias("HoursActive"),
            (pl.col("connections") ** 2).sum().alias("squares"),
            pl.col("ports").list.explode(keep_nulls=False, empty_as_null=False).unique().sort().alias("Ports"),
            pl.col("hour").min().alias("FirstSeen"),
            pl.col("hour").max().alias("LastSeen"),
        )
    )


def rate_connections(counted: pl.LazyFrame) -> pl.LazyFrame:
    """The rest of the rule: its thresholds, its score, its order."""
    n, total, squares = pl.col("HoursActive"), pl.col("TotalConnections"), pl.col("squares")
    deviation = ((n * squares - total * total).cast(pl.Float64) / (n * (n - 1))).sqrt()
    return (
        counted.filter(total >= 10, n >= 2)
        .with_columns((total / n).alias("AvgPerHour"))
        .with_columns(
            (deviation / pl.col("AvgPerHour")).alias("ConsistencyRatio"),
            pl.col("Image").str.contains(SUSPICIOUS).cast(pl.Int64).alias("IsSuspiciousProcess"),
        )
        .with_columns(
            ((pl.col("ConsistencyRatio") < 0.5) & (pl.col("AvgPerHour") >= 0.5)).cast(pl.Int64).alias("IsBeaconPattern")
        )
        .with_columns(
            (pl.col("IsSuspiciousProcess") + pl.col("IsBeaconPattern") + (total > 50).cast(pl.Int64)).alias(
                "RiskScore"
            ),
            *(
                pl.from_epoch(pl.col(name).cast(pl.Int64) * 3600).dt.strftime(HOUR).alias(name)
                for name in ("FirstSeen", "LastSeen")
            ),
        )
        .filter(pl.col("RiskScore") >= 1)
        .sort("RiskScore", "TotalConnections", *SPL_KEYS, descending=[True, True, *[False] * 4])
        .head(SPL_LIMIT)
        .select(SPL_COLUMNS)
    )


if __name__ == "__main__":
    main(sys.argv[1])
