"""House rules that no linter knows; `tests.measure` says what each number means."""

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.measure import CONTRACT_NAMES, is_participle, percentage, read_packages

ROOT = Path(__file__).parents[1]
PACKAGES = read_packages(ROOT)
HARNESS = PACKAGES["harness"]
MODULES = [m for package in PACKAGES.values() for m in package.modules]
STAGES = ("scenario", "telemetry", "detection", "verdict", "report")

GRAMMARS_AND_TABLES = {
    "harness/detection/dialects/clickhouse.py": "one table: the plan's operations as ClickHouse has them",
    "harness/detection/languages/cql/functions/array.py": "one table: the functions of arrays, objects and reductions",
    "harness/detection/languages/spl/aggregates.py": "one table: the statistical functions",
    "harness/detection/languages/spl/cim/models.py": "one table: the data models and their fields",
    "harness/detection/languages/spl/cim/windows.py": "one table: Windows events and what Windows calls them by code",
    "harness/detection/languages/spl/lookup_tables.py": "one idea: lookup tables and how rows find theirs",
    "harness/detection/languages/spl/parser.py": "one grammar: pipelines, stages and the arguments of commands",
    "harness/detection/plan/values/pcre.py": "one grammar: PCRE, read once and written for two libraries",
    "harness/detection/sql/tree.py": "one grammar: the parts of a statement and their text",
    "harness/scenario/document.py": "one grammar: YAML with the place of every node, and nodes to types",
}
"""Files that may have 600 lines."""

VAGUE = frozenset({"utils", "helpers", "common", "base", "manager", "abstract", "impl", "misc"})
NO_NOUNS = frozenset(
    re.findall(
        r"\w+",
        """all any asked beside both each every few inside it many more most one other others own regions rest same
        several some that them these they this those what which who why within""",
    )
)
FIELD_WORDS = frozenset({"recording", "refused", "setting", "string", "warning"})
"""Words of the field that only look like a gerund or a participle."""

ROLES = re.findall(
    r"\w+",
    """aggregation arguments coercion condition_parser conditions confinement evaluate evidence expression_parser
    functions hints language lexer lint parser planner printer regex registry scope switches syntax time_range
    tokens""",
)
"""What the folder of each language has under the same name, as a file or a folder; `scope` holds the session too."""

OWN_ROLES = {
    "cql": {
        "case": "its branches hold whole pipelines; SPL's case() is one function of many",
        "discovery": "fields may be named by texts in events; SPL asks for those in `scope`",
        "option_values": "one table of the words that parameters may be; each command of SPL has its own",
        "parameters": "a query has parameters; what SPL fills in are macros",
        "product_limits": "limits that many functions share; in SPL a limit is that of one command",
        "row": "a step changes the fields of one row; in SPL it makes another relation",
        "saved_queries": "they are called by name as a step; SPL runs one as a search of its own, by `savedsearch`",
    },
    "spl": {
        "aggregates": "statistical functions are no functions of eval; in CQL they are functions as all others",
        "cim": "data models are Splunk's",
        "commands": "CQL has functions only",
        "extraction": "fields are extracted when a search runs; LogScale parses events when they arrive",
        "field_usage": "what a search names decides which fields are extracted; LogScale has them all",
        "lookup_tables": "several commands and automatic lookups share them; CQL has them in functions/lookup",
        "macro_evaluation": "macros may be eval expressions",
        "macros": "macros are text before a search is read; CQL has saved queries",
        "paths": "spath, the json functions and KV_MODE share them; in CQL a path is part of a field's name",
        "reference": "commands and three sorts of functions are counted; the functions of CQL count themselves",
        "subsearch": "a search in brackets may stand for a condition",
    },
}
"""What one of them has alone, and why the other has no such file."""

PRODUCT_NAMES = {
    "browsing": "a behaviour of the pack",
    "hashed": "hash() of LogScale, which is a builtin of Python",
    "meeting": "a behaviour of the pack",
    "repeating": "beta:repeating() of LogScale",
    "rounded": "round() of LogScale and of the plan, which is a builtin of Python",
    "smoothed": "an operation of the plan, whose name `detlab compile` prints",
}
"""Functions whose name is a participle because it is not ours to choose."""


def test_the_five_stages_are_the_folders_of_the_harness():
    folders = {p.name for p in (ROOT / "harness").iterdir() if p.is_dir() and p.name not in ("__pycache__", "bundled")}
    assert folders == {*STAGES, "cli", "editor", "serve", "workbench"}


def test_a_file_has_at_most_400_lines_and_one_grammar_or_table_600():
    longest = {m.place: 600 if m.place in GRAMMARS_AND_TABLES else 400 for m in MODULES}
    assert [f"{m.place}: {m.lines}" for m in MODULES if m.lines > longest[m.place]] == []


def test_each_file_that_may_be_longer_is_longer():
    lines = {m.place: m.lines for m in MODULES}
    assert [place for place in GRAMMARS_AND_TABLES if lines.get(place, 0) <= 400] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.place)
def test_no_function_is_longer_than_40_lines(module):
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 40
    ]
    assert long == []


def is_no_noun(stem):
    """Whether a file's name has a word that says nothing, a pronoun, or a gerund, or is a participle."""
    words = stem.split("_")
    gerunds = {w for w in words if w.endswith("ing") and len(w) > 4} - FIELD_WORDS
    return bool(gerunds or (VAGUE | NO_NOUNS) & set(words)) or (is_participle(stem) and stem not in FIELD_WORDS)


def test_files_are_named_by_nouns():
    assert [m.place for m in HARNESS.modules if is_no_noun(m.path.stem)] == []


def test_no_file_of_the_pack_has_a_name_that_says_nothing():
    assert [m.place for m in PACKAGES["generators"].modules if VAGUE & set(m.path.stem.split("_"))] == []


@pytest.mark.parametrize("language", OWN_ROLES)
def test_both_languages_have_the_same_files_for_the_same_roles(language):
    folder = ROOT / "harness" / "detection" / "languages" / language
    there = {p.stem for p in folder.iterdir() if not p.name.startswith("__")}
    assert there == {*ROLES, *OWN_ROLES[language]}


def test_a_name_is_defined_in_at_most_two_modules():
    found = {n: m for p in PACKAGES.values() for n, m in p.modules_by_name(constants=True, own=True).items()}
    assert {name: modules for name, modules in found.items() if len(modules) > 2} == {}


def test_at_most_8_in_100_functions_and_classes_share_their_name():
    assert percentage(*HARNESS.shared_share()) <= 8


def test_at_most_4_in_100_functions_and_classes_share_a_name_that_was_ours_to_choose():
    assert percentage(*HARNESS.shared_share(own=True)) <= 4


@pytest.mark.parametrize("folder", CONTRACT_NAMES)
def test_contract_names_are_those_of_folders_of_plug_ins(folder):
    names = {d.name for m in MODULES if m.place.startswith(f"{folder}/") for d in m.definitions}
    assert CONTRACT_NAMES[folder] <= names


def test_no_function_is_named_by_a_bare_participle():
    assert [
        f"{d.module}.{d.name}" for p in PACKAGES.values() for d in p.participles if d.name not in PRODUCT_NAMES
    ] == []


def test_every_product_name_is_in_use():
    assert PRODUCT_NAMES.keys() <= {d.name for p in PACKAGES.values() for d in p.participles}


def test_at_most_40_short_modules_have_one_importer():
    assert len(HARNESS.pieces) <= 40


def test_no_operation_of_the_plan_is_named_by_a_text():
    assert {sort: len(places) for sort, places in HARNESS.string_operations.items()} == {"calls": 0, "patterns": 0}


def test_at_least_2_in_100_lines_are_comments():
    whole, trailing = (sum(m.comments[sort] for m in HARNESS.modules) for sort in (0, 1))
    assert percentage(whole + trailing, sum(m.lines for m in HARNESS.modules)) >= 2


@pytest.mark.parametrize("module", HARNESS.modules, ids=lambda m: m.place)
def test_the_harness_never_imports_content(module):
    assert {name.split(".")[0] for name in module.imported}.isdisjoint({"scenarios", "generators", "lab"})


def test_what_tests_share_is_imported_by_its_whole_name():
    tests = read_packages(ROOT, ["tests"])["tests"].modules
    shared = {m.path.stem for m in tests if not m.path.stem.startswith(("test_", "__"))}
    bare = {m.place: {name.split(".")[0] for name in m.imported} & (shared - sys.stdlib_module_names) for m in tests}
    relative = [m.place for m in tests if any(isinstance(n, ast.ImportFrom) and n.level for n in m.nodes)]
    assert ({place: names for place, names in bare.items() if names}, relative) == ({}, [])


def test_every_place_that_the_map_names_is_there():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:\.py|/))`", text)) - {"harness/bundled/"}  # made by the build
    rooms = ("", "harness", "harness/detection", "harness/detection/languages/spl", "harness/verdict/study")
    assert sorted(n for n in named if not any((ROOT / r / n).exists() for r in rooms)) == []
