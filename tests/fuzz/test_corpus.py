"""Every input that ever broke a target stays in fuzz/corpus and is tried again: none may break it twice."""

from pathlib import Path

import pytest

from fuzz.promise import hold
from fuzz.targets import TARGETS

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
FILES = sorted(p for p in CORPUS.rglob("*") if p.is_file())


@pytest.mark.parametrize("file", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_what_broke_a_target_once_does_not_break_it_again(file):
    hold(TARGETS[file.parent.name], file.read_bytes())


def test_the_corpus_has_the_planner_crashes_of_both_languages():
    assert {p.parent.name for p in FILES} >= {"run_spl", "run_cql"}
