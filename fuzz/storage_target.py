"""Targets that run random rows through random expressions and stages, in each way that columns can hold them.

Text, lists of one and numbers of the same values have to give the same rows, and expressions what a reference says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random

import pyarrow as pa

from fuzz import eval_reference as reference
from fuzz.eval_reference import Expression, Row, Value
from fuzz.promise import BrokenPromiseError
from fuzz.spl_stages import STAGES
from harness.detection.engine import Engine, ResultRows, open_engine
from harness.detection.language import Lookup, Settings, language
from harness.detection.plan.values.numbers import print_shortest_number
from harness.diagnostics import HarnessError, Source
from harness.telemetry.events.event import UNLABELLED
from harness.telemetry.platform import View

WORDS = ("x", "y", "X", "xy", "1", "2", "10", "1.5", "1.0", "a b", "", "10.0.0.1", "b,c", '{"a":1}', "0x1F", "3d", "-1")
NUMBERS = ("1", "2", "3", "10", "-4", "1.5", "0")
FIELDS = {"k": ("p", "q", "r"), "u": WORDS, "s": WORDS, "n": NUMBERS, "m": NUMBERS}
TIME = 1_700_000_000.0
TABLE = Lookup(
    columns=("u", "k", "n", "v", "w"),
    rows=(("x", "p", "1", "vx", "w1"), ("1", "q", "2", "v1", ""), ("", "p", "3", "ve", "w3")),
)
SETTINGS = Settings(
    now=TIME,
    lookups={
        "tab": TABLE,
        "pat": replace(TABLE, rows=(("x*", "p", "1", "vp", "w"),), match={"u": "wildcard"}),
        "net": replace(TABLE, rows=(("10.0.0.0/8", "p", "1", "vn", "w"),), match={"u": "cidr"}),
    },
)
# Eval writes a number bare into JSON and a text in quotes, so these tell the two apart as the product does.
TYPED_OUTPUT = ("json", "typeof", "isstr", "isdouble", "toobject", "toarray")

Storage = Mapping[str, str]
"""How each column is held: `text`, `list` or `number`; a column that is not named is `text`."""


@cache
def engine() -> Engine:
    """One engine for all inputs of a process."""
    return open_engine("duckdb")


def make_rows(random: Random, *, several: bool) -> list[Row]:
    """Rows of random values; with `several`, some fields have more than one."""
    wide = {f for f in FIELDS if several and random.random() < 0.5}
    return [{f: make_value(random, f, f in wide) for f in FIELDS} for _ in range(random.randint(1, 8))]


def make_value(random: Random, field: str, wide: bool) -> Value:
    """A random value of a field; null every fifth time, but for the key."""
    if field != "k" and random.random() < 0.2:
        return None
    return tuple(random.choice(FIELDS[field]) for _ in range(random.randint(1, 3) if wide else 1))


def fill_empty_fields(random: Random, rows: Sequence[Row]) -> list[Row]:
    """The rows with a value for each field that none has: `fillnull` and `*` mean fields that occur somewhere."""
    filled = {f: (random.choice(FIELDS[f]),) for f in FIELDS if not any(r[f] for r in rows)}
    return [{**rows[0], **filled}, *rows[1:]]


def list_storages(random: Random, rows: Sequence[Row], numbers: bool) -> Iterator[Storage]:
    """Ways to hold the rows, the first being text wherever that can hold a column."""
    wide = {f for f in FIELDS if any(len(r[f] or ()) > 1 for r in rows)}
    yield dict.fromkeys(wide, "list")
    yield dict.fromkeys(FIELDS, "list")
    free = [f for f in FIELDS if f not in wide]
    mixed = {f: random.choice(("text", "list", "number" if numbers and f in "nm" else "list")) for f in free}
    yield {**dict.fromkeys(wide, "list"), **mixed}


def hold_rows(rows: Sequence[Row], storage: Storage) -> View:
    """The rows as columns of these types; a field that no row has is no column, unless it is held as a list."""
    columns: dict[str, pa.Array] = {}
    for field in FIELDS:
        values, form = [r[field] for r in rows], storage.get(field, "text")
        if form == "list":
            columns[field] = pa.array([v and list(v) for v in values], pa.list_(pa.string()))
        elif form == "number":
            columns[field] = pa.array([v and float(v[0]) for v in values], pa.float64())
        elif any(values):
            columns[field] = pa.array([v and v[0] for v in values], pa.string())
    columns["_time"] = pa.array([TIME - 60.0 * i for i in range(len(rows))])
    columns["@event"] = pa.array(range(len(rows)), pa.int64())
    columns["@cause"] = pa.array([UNLABELLED] * len(rows), pa.int32())
    return View(columns=pa.table(columns))


def run_query(name: str, text: str, view: View) -> ResultRows | HarnessError:
    """The rows of a query, or its error."""
    try:
        query = language(name).parse(Source(f"fuzz.{name}", text), settings=SETTINGS)
        plan = query.plan(engine().load((view,)), replace(SETTINGS, ask=engine().run))
        return engine().run(plan.node)
    except HarnessError as error:
        if error.code in ("bug", "plan", "engine"):
            raise BrokenPromiseError(f"{text}\n{error.render()}") from error
        return error


def show_cell(value: object) -> object:
    """A cell whatever type holds it."""
    if isinstance(value, list):
        return show_cell(value[0]) if len(value) == 1 else tuple(map(show_cell, value))
    if isinstance(value, float | int) and not isinstance(value, bool):
        return print_shortest_number(float(f"{float(value):.12g}"))
    return value


def show_rows(found: ResultRows | HarnessError) -> list[object]:
    """An answer in a form that two answers can be compared in; absent fields are left out."""
    if isinstance(found, HarnessError):
        return [(found.code, found.message)]
    return [sorted((n, show_cell(v)) for n, v in record.items()) for record in found.records()]


# Expressions


@dataclass(frozen=True, slots=True)
class Written:
    """An expression as the reference reads it, and as SPL writes it."""

    tree: Expression
    text: str


def make_field(random: Random, names: str = "usnm") -> Written:
    """A field."""
    name = random.choice(names)
    return Written(("field", name), name)


def make_leaf(random: Random) -> Written:
    """A field, a text or a number."""
    if random.random() < 0.6:
        return make_field(random)
    if random.random() < 0.5:
        word = random.choice([w for w in WORDS if '"' not in w])
        return Written(("text", word), f'"{word}"')
    number = random.choice((0, 1, 2, 10, 1.5))
    return Written(("number", number), str(number))


ONE_ARGUMENT = ("len", "upper", "lower", "trim", "mvcount", "mvdedup", "mvsort", "mvreverse")
TWO_ARGUMENTS = ("mvappend", "mvzip", "coalesce", "nullif", "max", "min")


def make_value_expression(random: Random, depth: int) -> Written:
    """An expression that gives a value."""
    if depth <= 0:
        return make_leaf(random)
    inner = [make_value_expression(random, depth - 1) for _ in range(2)]
    a, b = inner
    match random.randrange(9):
        case 0:
            sign = random.choice("-*/")
            return Written(("calculate", sign, a.tree, b.tree), f"({a.text}){sign}({b.text})")
        case 1:
            a, b = make_field(random), make_field(random)
            return Written(("calculate", "+", a.tree, b.tree), f"{a.text}+{b.text}")
        case 2:
            return Written(("join", a.tree, b.tree), f"({a.text}).({b.text})")
        case 3:
            condition = make_condition(random, depth - 1)
            return Written(("if", condition.tree, a.tree, b.tree), f"if({condition.text}, {a.text}, {b.text})")
        case 4:
            place = random.choice((0, 1, -1))
            return Written(("mvindex", a.tree, place), f"mvindex({a.text}, {place})")
        case 5:
            return make_element_expression(random)
        case 6:
            name = random.choice(TWO_ARGUMENTS)
            return Written((name, a.tree, b.tree), f"{name}({a.text}, {b.text})")
        case _:
            name = random.choice(ONE_ARGUMENT)
            return Written((name, a.tree), f"{name}({a.text})")


def make_element_expression(random: Random) -> Written:
    """mvmap, mvfilter or mvjoin."""
    field = make_field(random)
    match random.randrange(3):
        case 0:
            body = Written(("join", field.tree, ("text", "_")), f'{field.text}."_"')
            return Written(("mvmap", field.text, body.tree), f"mvmap({field.text}, {body.text})")
        case 1:
            sign, word = random.choice(("=", "!=", "<", ">=")), random.choice(("x", "1", "2", "10"))
            tree = ("mvfilter", field.text, ("compare", sign, field.tree, ("text", word)))
            return Written(tree, f'mvfilter({field.text}{sign}"{word}")')
        case _:
            return Written(("mvjoin", field.tree, ";"), f'mvjoin({field.text}, ";")')


def make_condition(random: Random, depth: int) -> Written:
    """An expression that is true, false or unknown."""
    if depth > 0 and random.random() < 0.5:
        parts = [make_condition(random, depth - 1) for _ in range(2)]
        match random.randrange(3):
            case 0:
                return Written(("not", parts[0].tree), f"NOT ({parts[0].text})")
            case 1:
                return Written(("and", *(p.tree for p in parts)), " AND ".join(f"({p.text})" for p in parts))
            case _:
                return Written(("or", *(p.tree for p in parts)), " OR ".join(f"({p.text})" for p in parts))
    a, b = make_value_expression(random, depth - 1), make_value_expression(random, depth - 1)
    match random.randrange(7):
        case 0:
            name = random.choice(("isnull", "isnotnull", "isnum", "ismv"))
            return Written((name, a.tree), f"{name}({a.text})")
        case 1:
            return Written(("in", a.tree, b.tree, ("text", "x")), f'in({a.text}, {b.text}, "x")')
        case 2:
            field, part = make_field(random), random.choice(("x", "1"))
            return Written(("match", field.tree, part), f'match({field.text}, "{part}")')
        case 3:
            field, other = make_field(random), make_field(random)
            return Written(("like", field.tree, other.tree), f"like({field.text}, {other.text})")
        case _:
            sign = random.choice(("=", "!=", "<", "<=", ">", ">="))
            return Written(("compare", sign, a.tree, b.tree), f"({a.text}){sign}({b.text})")


def make_search(random: Random, depth: int) -> Written:
    """A condition of `search`."""
    if depth > 0 and random.random() < 0.6:
        parts = [make_search(random, depth - 1) for _ in range(2)]
        match random.randrange(3):
            case 0:
                return Written(("not", parts[0].tree), f"NOT ({parts[0].text})")
            case 1:
                return Written(("and", *(p.tree for p in parts)), " AND ".join(f"({p.text})" for p in parts))
            case _:
                return Written(("or", *(p.tree for p in parts)), " OR ".join(f"({p.text})" for p in parts))
    name = random.choice("usnm")
    if random.random() < 0.6:
        sign, wanted = (
            random.choice(("=", "!=")),
            random.choice(("x", "X", "x*", "*", "1", "1.5", "a b", "*y", "1.0", "zz")),
        )
    else:
        sign, wanted = random.choice(("<", "<=", ">", ">=")), random.choice(("1", "2", "10", "1.5", "x"))
    return Written((sign, name, wanted), f'{name}{sign}"{wanted}"')


# Checks

COLUMNS = 12
"""Expressions of one query; each more costs less than a query of its own."""


def check_expressions(random: Random) -> int:
    """Runs expressions and conditions on rows in each way to hold them; the number of cells that agreed."""
    rows = make_rows(random, several=True)
    values = [make_value_expression(random, 2) for _ in range(COLUMNS // 2)]
    tests = [make_condition(random, 2) for _ in range(COLUMNS // 2)]
    named = [f"v{i}={v.text}" for i, v in enumerate(values)]
    named += [f'c{i}=case({c.text}, "t", NOT ({c.text}), "f", true(), "n")' for i, c in enumerate(tests)]
    text = "search * | eval " + ", ".join(named)
    wanted = [
        {f"v{i}": reference.evaluate(r, v.tree) for i, v in enumerate(values)}
        | {f"c{i}": ({True: "t", False: "f", None: "n"}[reference.truth(r, c.tree)],) for i, c in enumerate(tests)}
        for r in rows
    ]
    cells = 0
    for storage in list_storages(random, rows, numbers=True):
        found = run_query("spl", text, hold_rows(rows, storage))
        if isinstance(found, HarnessError):
            # The planner may know from the types of literals that an expression cannot be.
            return 0
        for record, expected in zip(found.records(), wanted, strict=True):
            for (name, value), written in zip(expected.items(), (*values, *tests), strict=True):
                cells += 1
                if not is_same_value(record.get(name), value):
                    said = f"{written.text} gives {record.get(name)!r} and not {value!r}"
                    raise BrokenPromiseError(f"{said}\n{storage}\n{rows}")
    return cells


def is_same_value(found: object, value: Value) -> bool:
    """Whether a cell is what the reference says; numbers may be held as such."""
    if found is None or value is None:
        return found is None and value is None
    if isinstance(found, list):
        return tuple(found) == value
    if isinstance(found, float):
        return len(value) == 1 and abs(found - float(value[0])) <= 1e-9 * max(1.0, abs(found))
    return len(value) == 1 and (found == value[0] or is_near_number(str(found), value[0]))


def is_near_number(found: str, value: str) -> bool:
    """Whether both are numbers that differ by rounding alone: of many digits DuckDB may print another last one."""
    long = len(found) > 15 and reference.NUMBER.fullmatch(found) and reference.NUMBER.fullmatch(value)
    return bool(long) and abs(float(found) - float(value)) <= 1e-9 * max(1.0, abs(float(value)))


def check_searches(random: Random) -> int:
    """Runs conditions of `search` on rows in each way to hold them; the number of rows that agreed."""
    rows = make_rows(random, several=True)
    condition = make_search(random, 3)
    wanted = [TIME - 60.0 * i for i, r in enumerate(rows) if reference.search(r, condition.tree)]
    cells = 0
    # A number is searched for as its text, which `1.0` has not kept.
    for storage in list_storages(random, rows, numbers=True):
        found = run_query("spl", f"search {condition.text} | table _time", hold_rows(rows, storage))
        times = [] if isinstance(found, HarnessError) else [r["_time"] for r in found.records()]
        if times != wanted:
            raise BrokenPromiseError(f"search {condition.text} gives {times} and not {wanted}\n{storage}\n{rows}")
        cells += len(rows)
    return cells


def check_stages(random: Random) -> int:
    """Runs stages on rows in each way to hold them; the number of cells that agreed."""
    stages = [line for line in STAGES.splitlines() if line]
    chosen = [random.choice(stages) for _ in range(random.choice((1, 1, 2)))]
    text = "search * | " + " | ".join(chosen)
    rows = fill_empty_fields(random, make_rows(random, several=random.random() < 0.3))
    numbers = not any(word in text for word in TYPED_OUTPUT)
    cells, first = 0, None
    for storage in list_storages(random, rows, numbers):
        found = show_rows(run_query("spl", text, hold_rows(rows, storage)))
        first = found if first is None else first
        if found != first:
            raise BrokenPromiseError(f"{text}\ngives {found}\nand not {first}\n{storage}\n{rows}")
        cells += max(1, sum(len(r) for r in found if isinstance(r, list)))
    return cells
