"""`python -m bench.competitors.duckdb_sql RULE WAY FILE`: hand-written SQL on Parquet or on a .duckdb file.

WAY is `verbatim` (the rule's conditions and aggregates one for one) or `best` (each column's condition once for each of
its distinct values, lists late, hours as integers).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

from bench.competitors.detections import (
    ADDRESS_REGEX,
    CQL_ADDRESS_REGEX,
    CQL_COLUMNS,
    CQL_IMAGE_REGEX,
    CQL_KEYS,
    CQL_SUSPICIOUS,
    HOUR,
    IMAGE_REGEX,
    NAME_REGEX,
    SPL_COLUMNS,
    SPL_KEYS,
    cql_scores,
    print_table,
    quoted,
    spl_filter,
    spl_scores,
)

Connection = duckdb.DuckDBPyConnection


def verbatim_spl(_: Connection, source: str) -> str:
    """The SPL rule as it reads."""
    hour = f"strftime(make_timestamp(CAST(round(_time * 1e6) AS BIGINT)), '{HOUR}')"
    hourly = f"""SELECT {quoted(SPL_KEYS)}, {hour} AS "HourBucket", count(*) AS connections,
    list(DISTINCT "DestinationPort") AS ports
  FROM {source} WHERE {spl_filter()} GROUP BY ALL"""
    return spl_scores(hourly, ports="list_sort(list_distinct(flatten(list(ports))))")


def verbatim_cql(_: Connection, source: str) -> str:
    """The CQL rule as it reads."""
    hour = f"""strftime(make_timestamp("@timestamp" * 1000), '{HOUR}')"""
    return cql_scores(
        f"""SELECT {quoted(CQL_KEYS)},
    CASE WHEN regexp_matches("ImageFileName", '{CQL_SUSPICIOUS}') THEN 1 ELSE 0 END AS "IsSuspiciousProcess",
    {hour} AS "HourBucket", count(*) AS connections
  FROM {source} WHERE NOT regexp_matches("RemoteAddressIP4", '{CQL_ADDRESS_REGEX}')
    AND NOT regexp_matches("ImageFileName", '{CQL_IMAGE_REGEX}') GROUP BY ALL"""
    )


def flag_table(connection: Connection, source: str, name: str, column: str, regex: str, more: str = "") -> str:
    """Writes a table of the values that a regular expression does not exclude, and gives the join with it."""
    # A materialised table: DuckDB pushes a predicate through SELECT DISTINCT down to the rows (engine.md 2, trap i).
    connection.execute(
        f"""CREATE TEMP TABLE {name} AS SELECT v {more} FROM (SELECT DISTINCT "{column}" AS v FROM {source})
        WHERE v IS NOT NULL AND NOT regexp_matches(v, '{regex}')"""
    )
    return f'JOIN {name} ON {name}.v = e."{column}"'


def best_spl(connection: Connection, source: str) -> str:
    """Flag tables, integer hours and ports only of the groups that remain."""
    joins = " ".join(
        flag_table(connection, source, name, column, regex)
        for name, column, regex in (
            ("images", "Image", IMAGE_REGEX),
            ("addresses", "DestinationIp", ADDRESS_REGEX),
            ("names", "DestinationHostname", NAME_REGEX),
        )
    )
    keys = ", ".join(f'e."{key}"' for key in SPL_KEYS)
    connection.execute(
        f"""CREATE TEMP TABLE cube AS SELECT {keys}, e."DestinationPort" AS port,
          CAST(floor(_time / 3600) AS INT) AS hour, count(*) AS n
        FROM {source} AS e {joins} WHERE e.host IS NOT NULL GROUP BY ALL"""
    )
    hourly = f'SELECT {quoted(SPL_KEYS)}, hour AS "HourBucket", sum(n)::BIGINT AS connections FROM cube GROUP BY ALL'
    connection.execute(f"CREATE TEMP TABLE found AS {spl_scores(hourly, ports='NULL')}")
    label = f"strftime(make_timestamp({{}} * 3600000000), '{HOUR}')"
    pairs = " AND ".join(f'c."{key}" = f."{key}"' for key in SPL_KEYS)
    return f"""SELECT f.* REPLACE (p.ports AS "Ports", {label.format('f."FirstSeen"')} AS "FirstSeen",
    {label.format('f."LastSeen"')} AS "LastSeen")
  FROM found f JOIN (SELECT {", ".join(f'f."{key}"' for key in SPL_KEYS)}, list_sort(list(DISTINCT port)) AS ports
    FROM found f JOIN cube c ON {pairs} GROUP BY ALL) p ON {pairs.replace("c.", "p.")}"""


def best_cql(connection: Connection, source: str) -> str:
    """Flag tables, the score of a program once, integer hours."""
    suspicious = f", CASE WHEN regexp_matches(v, '{CQL_SUSPICIOUS}') THEN 1 ELSE 0 END AS suspicious"
    images = flag_table(connection, source, "images", "ImageFileName", CQL_IMAGE_REGEX, suspicious)
    addresses = flag_table(connection, source, "addresses", "RemoteAddressIP4", CQL_ADDRESS_REGEX)
    keys = ", ".join(f'e."{key}"' for key in CQL_KEYS)
    hourly = f"""SELECT {keys}, images.suspicious AS "IsSuspiciousProcess", "@timestamp" // 3600000 AS "HourBucket",
    count(*) AS connections FROM {source} AS e {images} {addresses} GROUP BY ALL"""
    label = f"strftime(make_timestamp({{}} * 3600000000), '{HOUR}')"
    return f"""SELECT * REPLACE ({label.format('"FirstSeen"')} AS "FirstSeen",
    {label.format('"LastSeen"')} AS "LastSeen") FROM ({cql_scores(hourly)})"""


STATEMENTS: dict[tuple[str, str], Callable[[Connection, str], str]] = {
    ("spl", "verbatim"): verbatim_spl,
    ("spl", "best"): best_spl,
    ("cql", "verbatim"): verbatim_cql,
    ("cql", "best"): best_cql,
}


def main(rule: str, way: str, file: Path) -> None:
    """Runs the statement and prints its rows."""
    connection = duckdb.connect(":memory:")
    # The settings of the product's own store, or the comparison would be one of settings.
    connection.execute("SET memory_limit = '50%'")
    connection.execute("SET preserve_insertion_order = false")
    source = f"read_parquet('{file}')"
    if file.suffix == ".duckdb":
        connection.execute(f"ATTACH '{file}' AS held (READ_ONLY)")
        source = "held.events"
    rows = connection.execute(STATEMENTS[rule, way](connection, source)).fetchall()
    print_table(SPL_COLUMNS if rule == "spl" else CQL_COLUMNS, rows)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
