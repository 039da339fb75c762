"""writeJson: fields as the JSON that their names spell."""

from __future__ import annotations

import re

from harness.detection.languages.cql.arguments import RAWSTRING, Names
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import EVENT_COLUMN, ROW, Expression, Kind, Literal


def fits_prefix(name: str, prefix: str) -> bool:
    """Whether a field is among those that an argument means: a beginning, or a pattern with `*`."""
    if "*" not in prefix:
        return name.startswith(prefix)
    return re.fullmatch(".*".join(map(re.escape, prefix.split("*"))), name, re.S) is not None


@FUNCTIONS.value("writeJson", into="_json", reads_all=True)
def write_json(row: RowScope, field: Names = (RAWSTRING,)) -> Expression:
    """Fields as a JSON object, nested as their names say; an event's missing fields are left out.

        a := "x" | writeJson([a]) | x := _json -> x={"a":"x"}
        a.b.c := 5 | a.b.e[0] := "y" | writeJson(["a.b"]) | x := _json -> x={"a":{"b":{"c":5,"e":["y"]}}}

    Reference: library.humio.com, writeJson()
    """
    # A name stands for all fields that begin with it (library.humio.com, writeJson()).
    known = [n for n in dict.fromkeys((*row.flow.visible(), *row.overlay)) if n not in (ROW, EVENT_COLUMN)]
    names = [n for f in field for n in ([f] if f in known else []) + [k for k in known if fits_prefix(k, f)]]
    pairs: list[Expression] = []
    for name in dict.fromkeys(names):
        value = row.read(name)
        if row.kind(value) is not Kind.NULL:
            pairs += [Literal(name.removesuffix("[]")), value]
    # The syntax page has numbers bare, the example of the same function quotes (reference/cql.md, addenda).
    return ops.json_nested(ops.json_object(*pairs), Literal(row.meaning.switch("json-numbers") == "bare"))
