"""The fuzz targets tell a broken promise from a kept one; each runs a moment on mutated real inputs."""

from importlib.util import find_spec

import pytest

from fuzz.loop import fuzz_target, name_failure, shrink_input
from fuzz.mutation import Mutation
from fuzz.promise import BrokenPromiseError, Target, hold
from fuzz.targets import TARGETS
from harness.diagnostics import HarnessError


def describe(found):
    return {name: data[:2000] for name, data in found.items()}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_its_promise_for_a_moment(name):
    tried, found = fuzz_target(name, 0.4, seed=1)
    assert tried > 0
    assert describe(found) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_its_promise_for_some_seconds(name):
    tried, found = fuzz_target(name, 10, seed=2)
    assert tried > 0
    assert describe(found) == {}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_inputs_that_are_taken(name):
    target = TARGETS[name]
    taken = 0
    seeds = target.seeds()[:2]
    for data in seeds:
        try:
            target.check(data)
            taken += 1
        except HarnessError:
            continue
    # None of `http` is: a host that nobody checked answers an encrypted message in the clear, or not at all.
    assert taken * 2 >= len(seeds) or name == "http"


def target(check, **more):
    return Target(check=check, seeds=lambda: [b"| stats count by host"], **more)


def test_an_exception_of_another_kind_breaks_the_promise():
    divides = target(lambda data: 1 / len(data))
    hold(divides, b"a")
    with pytest.raises(ZeroDivisionError):
        hold(divides, b"")


@pytest.mark.parametrize(
    ("code", "message"), [("bug", "detlab itself failed"), ("engine", "DuckDB gave up: Binder Error: no such column")]
)
def test_an_error_that_nobody_can_act_on_breaks_the_promise(code, message):
    def check(data):
        raise HarnessError(code, message)

    with pytest.raises(BrokenPromiseError, match=message):
        hold(target(check), b"")


def test_an_error_for_people_keeps_the_promise():
    def check(data):
        raise HarnessError("unknown-function", "no function is called `a`")

    hold(target(check), b"")


def test_an_input_that_takes_too_long_breaks_the_promise(monkeypatch):
    monkeypatch.setattr("fuzz.promise.SLOWEST", -1.0)
    with pytest.raises(BrokenPromiseError, match="it took"):
        hold(target(len), b"a")


def test_a_mutation_is_the_same_for_the_same_seed():
    first, again, other = (Mutation(TARGETS["spl"], seed) for seed in (1, 1, 2))
    texts = [first.next() for _ in range(20)]
    assert texts == [again.next() for _ in range(20)]
    assert texts != [other.next() for _ in range(20)]


def test_a_failure_is_shrunk_to_what_causes_it():
    def check(data):
        if b"stats" in data:
            raise KeyError("x")

    failing = target(check)
    name = name_failure(KeyError("x"))
    assert shrink_input(failing, b"index=main | eval a=1 | stats count by host", name) == b"stats"


def test_every_parser_reader_and_language_has_a_target():
    assert {
        *("spl", "cql", "run_spl", "run_cql", "yaml", "conf", "page", "inventory", "guard", "soap", "http", "psrp"),
        *("evtx", "xml", "ndjson", "json_shapes", "fdr", "parquet", "parquet_layout", "recording", "journal", "ledger"),
    } <= set(TARGETS)
    assert ("sigma" in TARGETS) == (find_spec("sigma") is not None)
