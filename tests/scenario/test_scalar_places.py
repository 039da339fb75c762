"""Rules inside YAML: each character of a query stands somewhere in the document."""

import pytest

from harness.diagnostics import Source
from harness.scenario.document import load
from harness.scenario.scalar_places import map_scalar

DOCUMENTS = {
    "literal": "a: |\n  index=x  foo\n    NOT y\n\n  | stats count\nb: 1\n",
    "literal with a comment in its head": "a: |- # rule\n  index=x\n  | stats count\n",
    "literal with an indent of its own": "a: |2\n    index=x\n   | stats count\n",
    "folded": "a: >-\n  index=x  foo\n  NOT y\n\n  | stats count\n    more  x\n  end\nb: 1\n",
    "double quotes": 'a: "index=x \\"q\\" \\\n   c \\x41\\t foo \\U0001F600\n  bar\n\n  baz \\\\"\nb: 1\n',
    "single quotes": "a: 'index=x ''q'' z\n  | stats count'\n",
    "plain": "a: index=x y\n  | stats count\n  | table z\nb: 2\n",
    "carriage returns": "a: |\r\n  index=x\r\n  | stats count 😀 é\r\nb: 1\r\n",
    "in a list, in a flow": "a: [1, {b: 'x'}]\nc:\n  - |\n    index=x\n    | head\n",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_character_of_a_value_is_written_where_the_map_says(name):
    document = load(Source(name, DOCUMENTS[name]))
    nodes = [document.node(path) for path in (["a"], ["c", 0]) if document.node(path).scalar]
    for node in nodes:
        raw, value = node.span.text, node.scalar
        places = map_scalar(raw, value)
        assert places is not None and len(places) == len(value) + 1
        written = [(c, raw[p : p + 1]) for c, p in zip(value, places, strict=False) if not c.isspace()]
        assert [w for w in written if w[0] != w[1] and w[1] != "\\"] == []
    assert nodes


def test_a_value_that_is_not_written_there_has_no_places():
    assert map_scalar("|\n  abc\n", "abd\n") is None
