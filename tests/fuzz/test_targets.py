"""The fuzz targets tell a broken promise from a kept one; and each runs a moment on made-up texts."""

import pytest

from fuzz import targets
from fuzz.__main__ import seeds
from fuzz.random_texts import fuzz


@pytest.mark.parametrize("target", ["yaml", "conf", "page"])
def test_a_document_parser_keeps_its_promise_for_a_moment(target):
    assert fuzz(target, seeds(target), 0.5) > 0


@pytest.mark.slow
@pytest.mark.parametrize("target", ["spl", "cql"])
def test_a_language_keeps_its_promise_for_some_seconds(target):
    assert fuzz(target, seeds(target), 10) > 0


def test_an_exception_of_another_kind_breaks_the_promise(monkeypatch):
    monkeypatch.setitem(targets.TARGETS, "conf", lambda text: 1 / len(text))
    targets.hold("conf", "a")
    with pytest.raises(ZeroDivisionError):
        targets.hold("conf", "")


def test_a_text_that_takes_too_long_breaks_the_promise(monkeypatch):
    monkeypatch.setattr(targets, "SLOWEST", -1.0)
    with pytest.raises(targets.BrokenPromiseError, match="it took"):
        targets.hold("conf", "a")


def test_seeds_are_real_texts():
    assert any("stats" in text for text in seeds("spl"))
