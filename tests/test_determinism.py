"""The same input gives the same bytes: whatever the order of lines, threads, hash seed, zone, locale and folder."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pyarrow as pa
import pytest

from harness.detection.conformance import render_page_rows, run_case_query
from harness.detection.conformance_page import pages, parse_cases
from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column
from harness.detection.plan.nodes import Aggregate, Scan, Sort, SortKey
from harness.diagnostics import Source
from harness.telemetry.platform import View
from tests.cli.command_line import detlab

ROOT = Path(__file__).parents[1]
PACK = ROOT / "scenarios" / "T1583.004"
PROGRAM = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from harness.cli.main import main; main()"
SURROUNDINGS = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "4242", "TZ": "Pacific/Auckland", "LC_ALL": "C.UTF-8"},
)


def has_times_of_its_own(table):
    names = [c.partition(":")[0] for c in table.columns]
    times = [str(row[names.index(n)]) for n in ("_time", "@timestamp") if n in names for row in table.rows]
    return bool(times) and len(set(times)) == len(table.rows) == len(times) and "None" not in times


def timed_cases():
    """The cases in which every event has a time that no other has, so that the order of lines must not matter."""
    for spoken, path in pages(ROOT / "tests" / "conformance"):
        for case in parse_cases(Source(path.name, path.read_text("utf-8")), spoken):
            if case.inputs and case.error is None and all(map(has_times_of_its_own, case.inputs)):
                yield pytest.param(case, id=f"{path.stem}: {case.title}")


CASES = list(timed_cases())


def check_shuffled(case):
    chance = random.Random(case.title)
    engine = open_engine("duckdb")
    try:
        found = set()
        for threads in (1, 8):
            engine.store.connection.execute(f"SET threads = {threads}")
            tables = [replace(t, rows=tuple(chance.sample(t.rows, len(t.rows)))) for t in case.inputs]
            found.add(render_page_rows(run_case_query(replace(case, inputs=tuple(tables)), engine)))
        found.add(render_page_rows(run_case_query(case, engine)))
        assert len(found) == 1
    finally:
        engine.close()


# A seventh of the pages is seen in every run.
@pytest.mark.parametrize("case", CASES[::7])
def test_lines_in_any_order_and_any_number_of_threads_give_the_same_rows(case):
    check_shuffled(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_lines_of_every_page_in_any_order_give_the_same_rows(case):
    check_shuffled(case)


def test_statistics_of_many_rows_are_the_same_over_any_number_of_threads():
    chance = random.Random(1)
    size = 200_000
    pairs = [(str(chance.randint(0, 7)), chance.random() * 10 ** chance.randint(-6, 9)) for _ in range(size)]
    x, time = Column("x"), Column("n")
    names = ("sum", "mean", "stdev_sample", "variance_population", "slope", "intercept", "r_squared")
    measures = tuple((n, getattr(ops, n)(*((x,) if n in names[:4] else (x, time)))) for n in names)
    found = set()
    for threads in (1, 4):
        chance.shuffle(pairs)
        engine = open_engine("duckdb")
        engine.store.connection.execute(f"SET threads = {threads}")
        columns = {"@event": range(size), "k": [k for k, _ in pairs], "x": [v for _, v in pairs]}
        # The second number of a pair hangs on the first, so that pairs stay together.
        columns["n"] = [float(int(v)) for _, v in pairs]
        scan = Scan(columns=engine.load([View(columns=pa.table({n: list(c) for n, c in columns.items()}))]))
        grouped = Aggregate(source=scan, keys=(("k", Column("k")),), measures=measures)
        plan = Sort(source=grouped, keys=(SortKey(expression=Column("k")),))
        found |= {engine.run(plan).rows, engine.run(plan).rows}
        engine.close()
    assert len(found) == 1


@pytest.mark.parametrize("rule", ["server.spl", "server.cql"])
@pytest.mark.parametrize("scenario", ["1-beacon-check-in.yaml", "benign/build-pipeline.yaml"])
def test_a_rule_of_the_pack_says_the_same_of_shuffled_lines_in_another_folder(rule, scenario, tmp_path):
    written = detlab("simulate", PACK / scenario, "--out", tmp_path / "events.ndjson")
    assert written.code == 0, written.err
    lines = (tmp_path / "events.ndjson").read_text("utf-8").splitlines(keepends=True)
    said = set()
    for folder in ("a", "another one"):
        path = tmp_path / folder / "events.ndjson"
        path.parent.mkdir()
        path.write_text("".join(lines), "utf-8")
        random.Random(folder).shuffle(lines)
        asked = detlab("query", PACK / rule, "--events", path, "--json")
        assert asked.code == 0, asked.err
        assert asked.document["events"] > 0
        said.add(asked.out)
    assert len(said) == 1


def surrounded(arguments, folder, surroundings):
    copytree(ROOT / "generators", folder / "generators", ignore=lambda *_: ["__pycache__"])
    copytree(PACK, folder / "scenarios" / PACK.name)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, **surroundings},
        capture_output=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    # When it ran and how long it took is no part of what it found out.
    for name in ("seconds", "began"):
        document.get("summary", {}).pop(name, None)
    return json.dumps(document)


def check_surroundings(tmp_path, *arguments):
    said = {
        surrounded(arguments, tmp_path / f"folder {number}", surroundings)
        for number, surroundings in enumerate(SURROUNDINGS)
    }
    assert len(said) == 1


def test_an_explanation_does_not_hang_on_hash_seed_zone_locale_or_folder(tmp_path):
    check_surroundings(tmp_path, "explain", "scenarios/T1583.004/benign/build-pipeline.yaml", "--json")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "scenarios", "--json"),
        ("explain", "scenarios/T1583.004/benign/multicast-chatter.yaml", "--json"),
        ("list", "rules", "--json"),
    ],
)
def test_the_whole_pack_does_not_hang_on_hash_seed_zone_locale_or_folder(arguments, tmp_path):
    check_surroundings(tmp_path, *arguments)
