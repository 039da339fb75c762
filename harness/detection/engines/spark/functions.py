"""What Spark SQL lacks, as functions of columns: a worker evaluates the plan's own function once a distinct value.

Nothing here needs sqlglot or a session: a worker imports this file alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import copysign, floor, frexp, isfinite, log, sqrt
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import PLAN_OPERATIONS, Operation
from harness.detection.plan.value import COMPUTATIONS, compute_value, compute_values
from harness.detection.plan.values.folds import FOLDS
from harness.detection.plan.values.numbers import print_shortest_number
from harness.diagnostics import HarnessError

# `detlab_regex_split` is the plan's own `regex_split` as a function of Spark's session.
FUNCTION_PREFIX = "detlab_"
EACH = "_each"
"""How the name of a function ends that is of all elements of a list at once."""
ERROR_MARK = "detlab-error:"
"""In front of an error of ours in a worker's message: its code, its words and its help as JSON."""
ARROW_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.LIST: pa.list_(pa.string()),
}
SPARK_TYPES = {Kind.TEXT: "string", Kind.NUMBER: "double", Kind.BOOLEAN: "boolean", Kind.LIST: "array<string>"}


def write_json(value: object) -> str | None:
    """A value as JSON text; null of null."""
    if value is None:
        return None
    return (
        print_shortest_number(value)
        if isinstance(value, float)
        else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    )


def write_json_object(*members: object) -> str:
    """An object of names and values."""
    pairs = zip(members[::2], members[1::2], strict=True)
    return "{" + ",".join(f"{write_json(n) or 'null'}:{write_json(v) or 'null'}" for n, v in pairs) + "}"


def write_json_array(*values: object) -> str:
    """An array of values."""
    return "[" + ",".join(write_json(v) or "null" for v in values) + "]"


def is_json_value(text: str | None) -> bool | None:
    """Whether a text is JSON; null of null."""
    if text is None:
        return None
    try:
        json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def refuse_constant(name: str) -> None:
    """Raises ValueError: NaN and Infinity are Python's own additions to JSON."""
    raise ValueError(name)


def list_json_keys(text: str) -> list[str] | None:
    """The names in an object, null of anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (list(found) or None) if isinstance(found, dict) else None


def find_list_mode(values: Sequence[str]) -> str | None:
    """The most frequent element, the smallest of several."""
    counted = Counter(v for v in values if v is not None)
    return min(counted, key=lambda v: (-counted[v], v.encode())) if counted else None


def split_text(text: str, separator: str) -> list[str]:
    """The pieces between separators; every character for an empty one."""
    return text.split(separator) if separator else list(text)


def encode_url(text: str) -> str:
    """The text with all but unreserved characters as %41."""
    return quote(text, safe="")


def find_sketch_value(number: float, accuracy: float) -> float:
    """What a DDSketch with quadratic mapping answers for the bucket of a number (Masson, Rim and Lee, VLDB 2019)."""
    size = abs(number)
    if size == 0 or not isfinite(size):
        return number
    steps = log(2) / (log((1 + accuracy) / (1 - accuracy)) * 4 * log(2) / 3)
    part, exponent = frexp(size)
    # frexp's part is at least a half: v = (1 + rest) * 2 ** (exponent - 1).
    rest = 2 * part - 1
    place = floor(((4 - rest) * rest / 3 + exponent - 1) * steps) / steps
    whole = floor(place)
    return copysign((3 - sqrt(4 - 3 * (place - whole))) * 2.0**whole * (1 + accuracy), number)


SPARK_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    **COMPUTATIONS,
    ops.to_json: write_json,
    ops.json_object: write_json_object,
    ops.json_array: write_json_array,
    ops.json_valid: is_json_value,
    ops.json_keys: list_json_keys,
    ops.list_mode: find_list_mode,
    ops.list_split: split_text,
    ops.url_encode: encode_url,
    ops.sketch_value: find_sketch_value,
}
"""What Python evaluates where Spark SQL has no word for it."""


def name_spark_function(operation: Operation) -> str | None:
    """The function of the session that evaluates an operation in Python; None of one that Python has not."""
    return FUNCTION_PREFIX + operation.name if operation in SPARK_COMPUTATIONS else None


def find_function_kind(name: str) -> tuple[Operation, bool, Kind]:
    """The operation behind a function's name, whether it is of each element of a list, the kind of its results."""
    plain = name.removeprefix(FUNCTION_PREFIX)
    each = plain.endswith(EACH) and plain not in PLAN_OPERATIONS
    operation = PLAN_OPERATIONS[plain.removesuffix(EACH) if each else plain]
    return operation, each, operation.result or Kind.TEXT


def make_function(name: str) -> Callable[..., pa.Array]:
    """A function of Arrow columns by its name in the session."""

    def evaluate(*columns: pa.Array) -> pa.Array:
        return evaluate_elements(name, *columns) if find_function_kind(name)[1] else evaluate_rows(name, columns)

    return evaluate


def evaluate_rows(name: str, columns: Sequence[pa.Array]) -> pa.Array:
    """The function's value for each row, looked at once for rows that are alike."""
    operation, _, kind = find_function_kind(name)
    rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
    return pa.array(compute_each_once(operation, rows), ARROW_TYPES[kind])


def evaluate_elements(name: str, lists: pa.Array, slots: pa.Array) -> pa.Array:
    """The function's values for the elements of lists: `slots` says by place which argument is one, as JSON.

    An element is an argument itself, or an object of several.
    """
    operation, _, kind = find_function_kind(name)
    places = json.loads(slots[0].as_py()) if len(slots) else []
    given = lists.to_pylist()
    rows = [fill_slots(places, element) for members in given for element in members or ()]
    values = iter(compute_each_once(operation, rows))
    made = [None if members is None else [next(values) for _ in members] for members in given]
    return pa.array(made, pa.list_(ARROW_TYPES[kind]))


def fill_slots(places: Sequence[Any], element: Any) -> tuple[Any, ...]:
    """The arguments for one element: a literal is a list of one, a part of it is a name, the element itself null."""
    return tuple(p[0] if isinstance(p, list) else element if p is None else element[p] for p in places)


def compute_each_once(operation: Operation, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The operation's value for each row; raises RuntimeError whose message the engine reads."""
    keys = [tuple(tuple(v) if isinstance(v, list) else v for v in row) for row in rows]
    distinct = dict(zip(keys, rows, strict=True))
    try:
        if operation in COMPUTATIONS:
            found: Iterable[Any] = compute_values(operation, distinct.values())
        else:
            function = SPARK_COMPUTATIONS[operation]
            found = [compute_value(operation, function, row) for row in distinct.values()]
    except HarnessError as error:
        told = json.dumps([error.code, error.message, error.help])
        raise RuntimeError(f"{ERROR_MARK}{told}") from None
    values = dict(zip(distinct, found, strict=True))
    return [values[key] for key in keys]


def make_fold(operation: str, partition: int, kind: str) -> Callable[[pa.Table], pa.Table]:
    """A fold over the rows of one partition: number, partition columns and arguments to number and value."""
    held = {"TEXT": pa.string(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "TEXT[]": pa.list_(pa.string())}[kind]

    def fold(rows: pa.Table) -> pa.Table:
        ordered = rows.sort_by(rows.column_names[0])
        columns = [c.to_pylist() for c in ordered.columns]
        arguments = list(zip(*columns[1 + partition :], strict=True))
        values = FOLDS[PLAN_OPERATIONS[operation]](arguments)
        # Spark's row_number is of 32 bits.
        return pa.table({"number": ordered.column(0).cast(pa.int64()), "value": pa.array(values, held)})

    return fold
