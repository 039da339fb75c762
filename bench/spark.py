"""The two published rules on both engines that run plans: DuckDB and Spark, each on the same lake of Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.measure import Bench, Contender, Line, Measure, hold_against
from bench.rows import digest_answer
from bench.rules import KINDS, rule_file

DUCKDB_LAKE, DUCKDB_STORE = "DuckDB on Parquet", "DuckDB on a store"
SPARK_LAKE, SPARK_STORE = "Spark on Parquet", "Spark on a store"
# What a rule asks for has to end on Spark too, which takes minutes where DuckDB takes seconds.
PATIENCE = ("--time-limit", "3600")


def ask(bench: Bench, language: str, *source: str | Path) -> list[str | Path]:
    """The command that a user types."""
    return bench.detlab("query", rule_file(bench, language), *source, "--json", *PATIENCE)


def compare_engines(language: str, bench: Bench) -> Iterator[Line]:
    """What Spark takes of the processors against DuckDB, with the same rows."""
    bench.require_command("ingest")
    lake = bench.lake(KINDS[language], bench.events)
    store = bench.store(lake)
    commands = {
        DUCKDB_LAKE: ask(bench, language, "--events", lake),
        DUCKDB_STORE: ask(bench, language, "--events", store),
        SPARK_LAKE: ask(bench, language, "--lake", lake, "--engine", "spark"),
        SPARK_STORE: ask(bench, language, "--events", store, "--engine", "spark"),
    }
    # A minute or more each: one run of Spark says enough.
    results = bench.race(
        *(
            Contender(name=name, commands=[command], digest=digest_answer, rounds=1 if "Spark" in name else 2)
            for name, command in commands.items()
        )
    )
    for subject, yardstick in ((SPARK_LAKE, DUCKDB_LAKE), (SPARK_LAKE, DUCKDB_STORE), (SPARK_STORE, DUCKDB_STORE)):
        line = Line(measure=f"spark-{language}", subject=subject, yardstick=yardstick)
        yield hold_against(line, results[subject], results[yardstick])


MEASURES = tuple(
    Measure(
        name=f"spark-{language}",
        about=f"the published {language.upper()} rule on Spark against DuckDB, on a lake and on a store",
        take=partial(compare_engines, language),
    )
    for language in KINDS
)
