"""The two published rules of T1583.004 on millions of events, against hand-written SQL and other engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.measure import PACK, Bench, Contender, Line, Measure, Unmeasured, hold_against, hold_against_bar
from bench.rows import digest_answer, digest_table

BARS_AT = 10_000_000
# Issue's bars, of the CPU of verbatim SQL on the same Parquet: on a store, and on Parquet with ingest counted.
BARS = {"spl": (0.12, 0.9), "cql": (0.15, 1.0)}
KINDS = {"spl": "sysmon", "cql": "falcon"}
VERBATIM, STORED, INGESTED, DIRECT = "verbatim SQL on Parquet", "store", "ingest and query", "Parquet as it is"
# CPU of a hundred million events against ten, and the memory that they may take.
GROWTH, GROWTH_MEMORY = 11, 4e9


def rule_file(bench: Bench, language: str) -> Path:
    """The published rule; the CQL rule with its limits of groups and rows raised, in a copy."""
    rule = PACK / "T1583.004" / f"server.{language}"
    if language == "spl":
        return rule
    # As published it keeps 20,000 groups, and which ones nobody says: no SQL could give the same rows.
    text = rule.read_text("utf-8").replace("limit=1000)", "limit=max)")
    text = text.replace("function=count(as=HourlyConnections))", "function=count(as=HourlyConnections), limit=max)")
    text = text.replace("max(HourBucket, as=LastSeen)\n    ])", "max(HourBucket, as=LastSeen)\n    ], limit=max)")
    copy = bench.folder / "server-max.cql"
    copy.write_text(text, "utf-8")
    return copy


def query(bench: Bench, language: str, events: Path) -> list[str | Path]:
    """The command that a user types."""
    return bench.detlab("query", rule_file(bench, language), "--events", events, "--json")


def products(bench: Bench, language: str, lake: Path) -> Iterator[Contender]:
    """The ways to ask detlab that this version has."""
    yield Contender(name=DIRECT, commands=[query(bench, language, lake)], digest=digest_answer, rounds=2)
    if "ingest" in bench.subcommands:
        kept, made = bench.store(lake), bench.folder / "made.store"
        yield Contender(name=STORED, commands=[query(bench, language, kept)], digest=digest_answer)
        ingest = bench.detlab("ingest", lake, "--out", made)
        commands = [ingest, query(bench, language, made)]
        yield Contender(name=INGESTED, commands=commands, digest=digest_answer, fresh=[made])


def competitors(bench: Bench, language: str, lake: Path) -> dict[str, Contender | Unmeasured]:
    """The same rule elsewhere; of CQL only in SQL, the others would say the same again."""
    file = bench.lake(KINDS[language], bench.events, "duckdb") if bench.python else lake
    scripts: dict[str, tuple[tuple[str | Path, ...], str]] = {
        VERBATIM: (("duckdb_sql", language, "verbatim", lake), "duckdb"),
        "best SQL on Parquet": (("duckdb_sql", language, "best", lake), "duckdb"),
        "best SQL on .duckdb": (("duckdb_sql", language, "best", file), "duckdb"),
    }
    if language == "spl":
        scripts |= {
            "pandas categoricals": (("pandas_categories", lake), "pandas pyarrow"),
            "Polars": (("polars_stream", lake), "polars"),
            "chdb": (("chdb_codes", lake), "chdb"),
            "PySpark local[2]": (("spark_local", lake), "pyspark"),
        }
    found: dict[str, Contender | Unmeasured] = {}
    for name, ((script, *arguments), needs) in scripts.items():
        rounds = 1 if name.startswith("PySpark") else None
        try:
            command = bench.competitor(str(script), *arguments, needs=needs)
            found[name] = Contender(name=name, commands=[command], digest=digest_table, rounds=rounds)
        except Unmeasured as reason:
            found[name] = reason
    return found


def compare(bench: Bench, language: str) -> Iterator[Line]:
    """The product's ways against verbatim SQL, then the query on a store against each competitor."""
    lake = bench.lake(KINDS[language], bench.events)
    others = competitors(bench, language, lake)
    results = bench.race(
        *products(bench, language, lake), *(each for each in others.values() if isinstance(each, Contender))
    )
    store_bar, lake_bar = BARS[language]
    judged = bench.judges(bench.events, BARS_AT)
    for subject, bar in ((STORED, store_bar), (INGESTED, lake_bar), (DIRECT, lake_bar)):
        line = Line(measure=language, subject=subject, yardstick=VERBATIM, bar=bar, judged=judged)
        if subject not in results:
            yield Line(measure=language, subject=subject, yardstick=VERBATIM, bar=bar, missing="needs `detlab ingest`")
        elif isinstance(reason := others[VERBATIM], Unmeasured):
            yield Line(measure=language, subject=subject, yardstick=VERBATIM, bar=bar, missing=str(reason))
        else:
            yield hold_against(line, results[subject], results[VERBATIM])
    fastest = STORED if STORED in results else DIRECT
    for name, other in others.items():
        line = Line(measure=language, subject=fastest, yardstick=name, bar=1.0, judged=judged)
        if isinstance(other, Unmeasured):
            yield Line(measure=language, subject=fastest, yardstick=name, bar=1.0, missing=str(other))
        elif name != VERBATIM:
            yield hold_against(line, results[fastest], results[name])
            # Without a bar: how far the field is apart.
            apart = Line(measure=language, subject=name, yardstick=VERBATIM, judged=judged)
            yield hold_against(apart, results[name], results[VERBATIM])


def grow(bench: Bench) -> Iterator[Line]:
    """Ten times the events from a store: CPU against the smaller one, and memory."""
    bench.require_command("ingest")
    small, large = bench.events, 10 * bench.events
    names = {size: f"{size:,} events from a store" for size in (small, large)}
    stores = {size: bench.store(bench.lake("sysmon", size, "parquet" if size == small else "lake")) for size in names}
    results = bench.race(
        Contender(name=names[small], commands=[query(bench, "spl", stores[small])]),
        Contender(name=names[large], commands=[query(bench, "spl", stores[large])], rounds=3),
    )
    judged = bench.judges(small, BARS_AT)
    line = Line(measure="growth", subject=names[large], yardstick=names[small], bar=GROWTH, judged=judged)
    yield hold_against(line, results[names[large]], results[names[small]])
    memory = Line(measure="growth", subject=f"memory of {names[large]}", yardstick="4 GB", judged=judged)
    yield hold_against_bar(memory, results[names[large]], GROWTH_MEMORY, lambda cost: cost.memory)


MEASURES = (
    Measure(
        "spl", "server.spl: store, ingest and query, Parquet as it is; every competitor", lambda b: compare(b, "spl")
    ),
    Measure("cql", "server.cql with its limits raised: likewise against SQL", lambda b: compare(b, "cql")),
    Measure("growth", "server.spl on ten times the events from a store: CPU and memory", grow),
)
