"""The same for CQL: text against number columns, missing against empty, filters against a reference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import pyarrow as pa

from fuzz.promise import BrokenPromiseError
from fuzz.storage_target import Written, run_query, show_rows
from harness.detection.engine import ResultRows
from harness.telemetry.events.event import UNLABELLED
from harness.telemetry.platform import View

CqlRow = Mapping[str, str | None]
FIELDS: Mapping[str, tuple[str, ...]] = {
    "k": ("p", "q", "r"),
    "t": ("x", "y", "X", "xy", "", "a b", "10.0.0.1", "1", "1.0", "007", "b,c"),
    "u": ("x", "y", "", "2", "-1"),
    "a": ("1", "2", "3", "10", "-4", "1.5", "0"),
    "b": ("1", "2", "5", "7.25"),
}
TIME = 1_700_000_000_000.0

STEPS = r"""
a=1
a!=1
a=1.0
a=1*
a=*
a!=*
a=""
a!=""
a>1
a<=2
not a=1
not a>1
a=/1/
a!=/1/
a like "1"
regex("^1", field=a)
regex("(?<r>\d)", field=a)
in(a, values=[1, 2, "10"])
in(a, values=["1*"])
!in(t, values=[x, 1])
in(t, values=[])
test(a > b)
test(a == b)
test(a != b)
test(a == 1)
test(a == "1.0")
test(t == u)
test(t != "x")
wildcard(field=a, pattern="1*")
cidr(t, subnet="10.0.0.0/8")
!cidr(t, subnet="10.0.0.0/8")
text:contains(string=a, substring="1")
x := a + b
x := a - b * 2
x := a / b
x := a / 0
x := a % 2
x := -a
x := t + a
x := if(a > 1, then=a, else=b)
x := if(a == b, then="same", else=t)
x := if(t == "", then="empty", else="full")
x := coalesce([a, b])
x := coalesce([t, u])
x := coalesce([t, u], ignoreEmpty=true)
default(field=a, value=0)
default(field=t, value=none)
default(field=t, value=none, replaceEmpty=true)
x := lower(t) | y := upper(a)
x := length(t) | y := length(a)
x := concat([a, t])
x := format("%s-%s", field=[a, t])
x := format("%d", field=a)
x := format("%.2f", field=b)
round(b)
round(a, how=floor)
x := math:abs(a) | y := math:sqrt(b) | z := math:mod(a, divisor=3)
x := math:floor(b) | y := math:ceil(b)
replace("1", with="_", field=a)
x := splitString(a, by="\.", index=0)
x := parseInt(a)
x := hash(a)
x := crypto:md5(a)
x := base64Encode(a)
x := urlEncode(t)
x := formatTime("%Y", field=a)
x := formatDuration(a)
x := duration("1m")
rename(a, as=x)
rename([[a, x], [b, y]])
drop([a])
fields([a, t])
select([a, b])
table([k, a])
case { a > 1 | x := big; a = * | x := small; * | x := none }
case { t = "" | x := empty; t = * | x := full; * | x := missing }
a match { 1 => x := one; 2 => x := two; * => x := other }
a match { /1/ => x := one; * => x := other }
t match { "" => x := empty; * => x := full }
groupBy(a)
groupBy([k, a])
groupBy(k, function=[count(), sum(a), avg(b), min(a), max(a), range(b)])
groupBy(k, function=[stdDev(a), variance(b), median(a), percentile(b, percentiles=[50])])
groupBy(k, function=[collect([a]), collect([t])])
groupBy(k, function=[selectLast([a, t])])
groupBy(k, function=[selectFromMax(a, include=[a, t])])
groupBy(k, function=[count(a), count(a, distinct=true)])
groupBy(k, function=[count(t), count(t, distinct=true)])
groupBy(k, function={a > 1 | count()})
groupBy([k, t], function=sum(a))
count(a)
count(t, distinct=true)
sum(a)
[sum(a), avg(b), count(t)]
counterAsRate(a)
top(a)
top(t)
top(k, sum=a)
uniq(a)
sort(a)
sort(a, order=asc)
sort(a, order=asc, type=string)
sort([a, t], order=asc)
sort(t, type=string, order=asc)
head(2)
tail(2)
eventFieldCount()
x := array:length("a[]")
accumulate(sum(a))
accumulate([sum(a, as=s), count(as=c)])
neighbor(a, prefix=p)
partition(accumulate(sum(a)), condition=test(a > 1))
slidingWindow(sum(a), events=2)
join({a=* | groupBy(a)}, field=a, include=_count)
join({t=*}, field=k, key=k, include=[t], mode=left)
selfJoinFilter(k, where=[{a > 1}, {b > 1}])
selfJoin(k, where=[{a > 1}, {b > 1}], select=[a])
bucket(span=1m, function=sum(a))
timeChart(span=1m, function=sum(a))
timeChart(k, span=1m, function=avg(a))
timeChart(a, span=1m)
transpose(limit=3)
writeJson([a])
kvParse(t)
tokenHash(a)
bitfield:extractFlags(field=a, output=[[0, x], [1, y]])
unit:convert(a, from="s", to="m")
x := rdns(t)
x := time:hour(a)
x := eval(a + 1)
x := (a > 1)
lowercase(t)
"""


GROUPING = ("groupBy", "timeChart", "top(")


def make_rows(random: Random) -> list[CqlRow]:
    """Random events; every fifth value is missing, but for the key's."""
    return [
        {f: None if f != "k" and random.random() < 0.2 else random.choice(v) for f, v in FIELDS.items()}
        for _ in range(random.randint(1, 8))
    ]


def list_storages(random: Random) -> Iterator[frozenset[str]]:
    """Which columns are numbers: none, all that can be, some."""
    yield frozenset()
    yield frozenset("ab")
    yield frozenset(random.choice("ab"))


def hold_rows(rows: Sequence[CqlRow], numbers: frozenset[str]) -> View:
    """The events as columns; a field that no event has is no column where it would be text."""
    columns: dict[str, pa.Array] = {"@timestamp": pa.array([TIME + 60_000.0 * i for i in range(len(rows))])}
    for field in FIELDS:
        values = [r[field] for r in rows]
        if field in numbers:
            columns[field] = pa.array([None if v is None else float(v) for v in values], pa.float64())
        elif any(v is not None for v in values):
            columns[field] = pa.array(values, pa.string())
    columns["@event"] = pa.array(range(len(rows)), pa.int64())
    columns["@cause"] = pa.array([UNLABELLED] * len(rows), pa.int32())
    return View(columns=pa.table(columns))


def check_steps(random: Random) -> int:
    """Runs steps on events in each way to hold them; the number of cells that agreed."""
    steps = [random.choice(STEPS.split("\n")[1:-1]) for _ in range(random.choice((1, 1, 2)))]
    # The manual gives groups no order, so nothing that heeds one stands behind them.
    text = " | ".join(steps[:1] if any(word in steps[0] for word in GROUPING) else steps)
    rows = make_rows(random)
    cells, first = 0, None
    for numbers in list_storages(random):
        found = sorted(show_rows(run_query("cql", text, hold_rows(rows, numbers))), key=repr)
        first = found if first is None else first
        if found != first:
            raise BrokenPromiseError(f"{text}\ngives {found}\nand not {first}\n{sorted(numbers)}\n{rows}")
        cells += max(1, sum(len(r) for r in found if isinstance(r, list)))
    return cells


# A reference of filters, written from the manual alone


def equals(value: str, wanted: str) -> bool:
    """Whether a value is the text, `*` being any run, or the same number."""
    if "*" in wanted:
        return re.fullmatch(".*".join(re.escape(p) for p in wanted.split("*")), value, re.S) is not None
    a, b = read_number(value), read_number(wanted)
    return value == wanted or (a is not None and a == b)


def read_number(text: str) -> float | None:
    """The number that a text is."""
    return float(text) if re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", text) else None


def holds(row: CqlRow, condition: tuple[object, ...]) -> bool:
    """Whether an event passes a filter; a field that is missing fails every comparison but `!=`."""
    match condition:
        case ("and", *parts):
            return all(holds(row, p) for p in parts)  # type: ignore[arg-type]
        case ("or", *parts):
            return any(holds(row, p) for p in parts)  # type: ignore[arg-type]
        case ("not", part):
            return not holds(row, part)  # type: ignore[arg-type]
        case ("!=", name, wanted):
            return not holds(row, ("=", name, wanted))
        case ("=", str(name), str(wanted)):
            value = row[name]
            return value is not None and (wanted == "*" or equals(value, wanted))
        case (str(sign), str(name), str(wanted)):
            amount = read_number(row[name] or "")
            return amount is not None and (amount < float(wanted) if sign == "<" else amount >= float(wanted))
    raise ValueError(condition)


def make_filter(random: Random, depth: int) -> Written:
    """A filter."""
    if depth > 0 and random.random() < 0.6:
        parts = [make_filter(random, depth - 1) for _ in range(2)]
        match random.randrange(3):
            case 0:
                return Written(("not", parts[0].tree), f"not ({parts[0].text})")
            case 1:
                return Written(("and", *(p.tree for p in parts)), " and ".join(f"({p.text})" for p in parts))
            case _:
                return Written(("or", *(p.tree for p in parts)), " or ".join(f"({p.text})" for p in parts))
    name = random.choice("tuab")
    if random.random() < 0.7:
        sign, wanted = random.choice(("=", "!=")), random.choice(("x", "x*", "*", "", "1", "1.0", "*b", "10", "a b"))
        return Written((sign, name, wanted), f"{name} {sign} " + ("*" if wanted == "*" else f'"{wanted}"'))
    sign, wanted = random.choice(("<", ">=")), random.choice(("1", "2", "1.5", "10"))
    return Written((sign, name, wanted), f"{name} {sign} {wanted}")


def check_filters(random: Random) -> int:
    """Runs a filter on events in each way to hold them; the number of events that agreed."""
    rows = make_rows(random)
    condition = make_filter(random, 3)
    wanted = [TIME + 60_000.0 * i for i, r in enumerate(rows) if holds(r, condition.tree)]
    cells = 0
    for numbers in list_storages(random):
        found = run_query("cql", f"{condition.text} | select([@timestamp])", hold_rows(rows, numbers))
        times = [r["@timestamp"] for r in found.records()] if isinstance(found, ResultRows) else found.message
        if times != wanted:
            raise BrokenPromiseError(f"{condition.text} gives {times} and not {wanted}\n{sorted(numbers)}\n{rows}")
        cells += len(rows)
    return cells
