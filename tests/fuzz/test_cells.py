"""However a store holds the same rows, a query answers the same, and as a reference of its own says."""

from random import Random

import pytest

from fuzz import eval_reference as reference
from fuzz.cell_targets import CHECKS, compare_cells
from fuzz.promise import BrokenPromiseError
from fuzz.spl_stages import STAGES
from fuzz.storage_target import check_stages, hold_rows, list_storages, make_rows, run_query, show_rows
from harness.detection.evidence import find_usage
from harness.detection.languages.spl.language import LANGUAGE
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS, FUNCTIONS


@pytest.mark.parametrize("name", CHECKS)
def test_some_thousand_cells_agree_however_they_are_held(name):
    least = {"cells_eval": 1_500, "cells_stages": 3_000}.get(name, 600)
    assert compare_cells(name, least, seed=5) >= least


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_a_hundred_thousand_cells_agree_however_they_are_held(name):
    assert compare_cells(name, 100_000, seed=6) >= 100_000


def test_a_difference_is_told_with_its_query_and_its_rows(monkeypatch):
    answers = iter([[["a"]], [["b"]]])
    monkeypatch.setattr("fuzz.storage_target.show_rows", lambda found: next(answers))
    with pytest.raises(BrokenPromiseError, match=r"search \* \| "):
        check_stages(Random(1))


ROW = {"u": ("x", "y"), "s": ("x",), "n": ("2",), "none": None}


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        (("compare", "=", ("field", "u"), ("field", "s")), True),
        (("compare", "!=", ("field", "u"), ("field", "s")), True),
        (("compare", "=", ("field", "u"), ("field", "none")), None),
        (("not", ("compare", "=", ("field", "s"), ("field", "none"))), None),
        (("or", ("isnull", ("field", "none")), ("compare", "<", ("field", "none"), ("number", 1))), True),
        (("and", ("ismv", ("field", "s")), ("compare", "<", ("field", "none"), ("number", 1))), False),
        (("compare", "<", ("field", "n"), ("text", "10")), True),
        (("compare", "<", ("field", "n"), ("text", "1x")), False),
    ],
)
def test_the_reference_has_three_truth_values_and_any_of_several(condition, truth):
    assert reference.truth(ROW, condition) is truth


def test_rows_are_held_as_text_as_lists_and_as_numbers():
    rows = [{"k": ("p",), "u": ("x",), "s": None, "n": ("1",), "m": ("2",)}]
    kinds = {str(hold_rows(rows, s).columns.schema.field("n").type) for s in all_storages(rows)}
    assert kinds == {"string", "list<item: string>", "double"}


def all_storages(rows):
    return [s for seed in range(8) for s in list_storages(Random(seed), rows, numbers=True)]


def test_stages_answer_with_rows_and_not_with_errors():
    rows = make_rows(Random(3), several=False)
    stages = [line for line in STAGES.splitlines() if line]
    answers = {s: show_rows(run_query("spl", f"search * | {s}", hold_rows(rows, {}))) for s in stages}
    failed = [f"{s}: {a[0]}" for s, a in answers.items() if a and isinstance(a[0], tuple)]
    assert failed == []


def test_the_stages_name_every_command_and_function_that_takes_a_field():
    written = "\n".join(f"| {line}" for line in STAGES.splitlines())
    known = {"command": COMMANDS, "eval function": FUNCTIONS, "statistical function": AGGREGATES}
    there = [e for e in LANGUAGE.reference() if e.name in known[e.kind]]
    taken = [
        e for e in there if known[e.kind][e.name].run.__name__ != "refused" and e.name not in WITHOUT_FIELD.split()
    ]
    assert [f"{e.kind} {e.name}" for e in taken if not find_usage(e).search(written)] == []


WITHOUT_FIELD = """
false null pi now time random
datamodel dbinspect dbxquery eventcount from gentimes inputcsv loadjob makeresults mcatalog metadata metasearch mstats
pivot rest savedsearch tstats
geom iconify localop mcollect meventcollect notable outputtelemetry outputtext redistribute risk run script sendalert
sendemail snowevent snoweventstream snowincident snowincidentstream stash summary summaryindex tscollect
"""
"""What makes its own rows or values, and what passes rows on without a look at them."""
