"""Texts that are drawn together: each row its own template, each host its own words, the same from run to run."""

import re

import numpy as np
import pytest

from harness.telemetry.sensor import encode_parts
from harness.telemetry.simulation.text_pool import PooledScope, TextPool

TEMPLATES = (r"C:\Users\{user}\{hex:8}.tmp", r"{temp}\{document}.docx", "fixed", "{one:{user}-{digits:3}|none}")
SHAPES = (r"C:\\Users\\USER\\[0-9a-f]{8}\.tmp", r"T:\\USER\\\w+ \w+( \d+)?\.docx", "fixed", r"USER-\d{3}|none")


@pytest.fixture
def draw_columns():
    def draw(seed, hosts, rows=400):
        pool = TextPool(seed)
        chosen = np.arange(rows) % len(TEMPLATES)
        columns = []
        for number, user in enumerate(hosts):
            fixed = {"user": user, "temp": rf"T:\{user}"}
            scope = PooledScope(fixed=fixed, own=1000 + number, random=np.random.default_rng(0), pool=pool)
            columns.append(pool.add(TEMPLATES, chosen, scope))
        pool.draw()
        return pool, columns

    return draw


def test_each_row_has_a_text_of_its_own_template_and_host(draw_columns):
    _, columns = draw_columns(1, ("anna", "ben"))
    for user, column in zip(("anna", "ben"), columns, strict=True):
        texts = column.texts()
        for row, code in enumerate(column.codes.tolist()):
            assert re.fullmatch(SHAPES[row % 4].replace("USER", user), texts[code]), (row, texts[code])
        varied = {texts[c] for c in column.codes[::4].tolist()}
        assert len(varied) == 100


def test_the_same_seed_gives_the_same_texts_and_another_one_others(draw_columns):
    first, again, other = (draw_columns(seed, ("anna",))[1][0].texts() for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_a_column_holds_only_texts_of_its_own_rows(draw_columns):
    _, (mine, theirs) = draw_columns(1, ("anna", "ben"))
    some = mine.take(np.array([2, 0, 2]))
    column = encode_parts([some.codes, np.zeros(1, np.int64)], [some.values, ("plain",)])
    texts = mine.texts()
    assert column.to_pylist() == ["fixed", texts[mine.codes[0]], "fixed", "plain"]
    assert sorted(column.dictionary.to_pylist()) == sorted({"fixed", texts[mine.codes[0]], "plain"})
    assert len(theirs) == 400


def test_columns_of_an_earlier_piece_keep_their_texts(draw_columns):
    pool, (column,) = draw_columns(1, ("anna",))
    before = column.texts()
    scope = PooledScope(fixed={"user": "cleo"}, own=1, random=np.random.default_rng(0), pool=pool)
    later = pool.add(["{user}{digits:2}"], np.zeros(3, np.int64), scope)
    pool.draw()
    assert column.texts() == before
    assert all(re.fullmatch(r"cleo\d\d", text) for text in later.texts())
