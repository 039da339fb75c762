"""datamodel, from, pivot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.detection.languages.spl.arguments import bind_options, parse_truth_word
from harness.detection.languages.spl.cim.datasets import resolve_dataset, select_qualified, select_unqualified
from harness.detection.languages.spl.commands.map import names_saved_search, parse_saved_text, run_saved
from harness.detection.languages.spl.lexer import escape_search_text
from harness.detection.languages.spl.lookup_tables import build_lookup_rows
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import GeneralArguments, Option, Stage, Word
from harness.diagnostics import SourceError, did_you_mean

# Words that begin a part of a pivot, in its manual's spelling.
ELEMENTS = ("splitrow", "splitcol", "filter", "limit", "sort", "rowsummary", "colsummary", "showother", "numcols")
PERIODS = {"year": "1y", "month": "1mon", "day": "1d", "hour": "1h", "minute": "1m", "second": "1s"}
PIVOT_OPERATORS = ("=", "!=", "<", ">", "<=", ">=")
FILTERS = {
    "is": '{f}="{v}"',
    "isnot": 'NOT {f}="{v}"',
    "contains": '{f}="*{v}*"',
    "doesnotcontain": 'NOT {f}="*{v}*"',
    "startswith": '{f}="{v}*"',
    "endswith": '{f}="*{v}"',
    "isnull": "NOT {f}=*",
    "isnotnull": "{f}=*",
}


@dataclass(slots=True)
class Pivot:
    """The parts of a pivot as text of a search: aggregates, fields of rows and columns, stages before and after."""

    dataset: str
    cells: list[str] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    sums: set[str] = field(default_factory=set)

    # A pivot is written as the search that it stands for: nothing has to be said twice.
    def text(self) -> str:
        """The search that the pivot stands for."""
        cells = " ".join(self.cells) or "count"
        rows = " ".join(f'"{escape_search_text(f)}"' for f, _ in self.rows)
        if self.columns:
            shown = " ".join(f"{k}={v}" for k, v in self.options.items())
            over = f"OVER {rows}" if rows else ""
            table = f'chart {shown} {cells} {over} BY "{escape_search_text(self.columns[0])}"'
        else:
            table = f"stats {cells}" + (f" BY {rows}" if rows else "")
        renamed = [f'rename "{escape_search_text(f)}" AS "{escape_search_text(a)}"' for f, a in self.rows if f != a]
        total = [f"addtotals row={'rowsummary' in self.sums} col={'colsummary' in self.sums}"] if self.sums else []
        stages = [
            f'from datamodel:"{escape_search_text(self.dataset)}"',
            *self.before,
            table,
            *total,
            *renamed,
            *self.after,
        ]
        return "| " + " | ".join(stages)


@COMMANDS.define("pivot", order="forgets", fields="remakes", raw="never", subsearch="keeps", generating=True)
def pivot(scope: Scope, stage: Stage) -> None:
    """Aggregates of a dataset: `pivot Model Dataset count(Dataset) AS n SPLITROW f SPLITCOL g FILTER h is "v"`.

    It is `stats`, or with SPLITCOL `chart`, over the events of the dataset; LIMIT is not known.

    Reference: Splunk Search Reference, pivot
    """
    words = list(split_pivot_words(stage))
    if len(words) < 3:
        message = "`pivot` needs a model, a dataset and an aggregate"
        raise SourceError("bad-argument", message, stage.span, help="write `pivot Model Dataset count(Dataset) AS n`")
    made = Pivot(f"{words[0].text}.{words[1].text}")
    for name, part in split_pivot_parts(words[2:]):
        parse_pivot_part(scope, made, name, part, words[1].text)
    if len(made.columns) > 1 or (made.columns and len(made.rows) > 1):
        raise scope.unsupported("`pivot` with several split rows beside a split column", stage.span)
    inner = scope.subsearch(parse_saved_text(scope, made.text(), stage.span))
    scope.replace(inner.node, inner.columns, events=False)
    scope.open = inner.open


def split_pivot_words(stage: Stage) -> Iterator[Word]:
    """The arguments as words; what looks like an option is the three of a comparison."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    for item in items:
        if isinstance(item, Word):
            yield item
        elif isinstance(item, Option) and isinstance(item.value, Word):
            # `FILTER bytes > 5`: the grammar of commands takes `a=b` for an option wherever it stands.
            yield Word(item.name, True, item.span)
            yield Word(item.operator, False, item.span)
            yield item.value
        else:
            raise SourceError("bad-argument", "`pivot` has no place for this", getattr(item, "span", stage.span))


def split_pivot_parts(words: list[Word]) -> Iterator[tuple[str, list[Word]]]:
    """The cells, and the parts that begin with a word such as SPLITROW."""
    name, part = "", [words[0]]
    for word in words[1:]:
        if not word.quoted and word.text.lower() in ELEMENTS:
            yield name, part
            name, part = word.text.lower(), [word]
        else:
            part.append(word)
    yield name, part


def parse_pivot_part(scope: Scope, made: Pivot, name: str, part: list[Word], dataset: str) -> None:
    """Puts one part of a pivot into its place."""
    if not name:
        made.cells = [resolve_aggregate_word(dataset, w) for w in part]
        return
    given = part[1:]
    if not given:
        raise SourceError("bad-argument", f"{part[0].text} of `pivot` needs a value", part[0].span)
    if name in ("splitrow", "splitcol"):
        parse_pivot_split(scope, made, name, given)
    elif name == "filter":
        made.before.append(print_filter_search(given))
    elif name == "sort":
        made.after.append(
            "sort " + " ".join(w.text if w.text in "+-" else f'"{escape_search_text(w.text)}"' for w in given)
        )
    elif name in ("rowsummary", "colsummary"):
        if parse_truth_word(given[0]):
            made.sums.add(name)
    elif name == "numcols":
        made.options["limit"] = given[0].text
    elif name == "showother":
        made.options["useother"] = given[0].text
    else:
        raise scope.unsupported("LIMIT of `pivot`", part[0].span, "write `top` or `sort` and `head` after it")


def resolve_aggregate_word(dataset: str, word: Word) -> str:
    """A word of the aggregates; a count of the dataset is one of its events."""
    if word.quoted:
        return f'"{escape_search_text(word.text)}"'
    # A pivot counts the events of its dataset by the dataset's name.
    return "count" if word.text.lower() == f"count({dataset.lower()})" else word.text


def parse_pivot_split(scope: Scope, made: Pivot, name: str, given: list[Word]) -> None:
    """The field of rows or of columns, its label and the span of its values."""
    target = given[0].text
    label, at = target, 1
    while at < len(given):
        option = given[at].text.lower()
        if option not in ("as", "period") or at + 1 >= len(given):
            help = did_you_mean(given[at].text, ("AS", "PERIOD")) or "AS and PERIOD are known"
            raise scope.unsupported(f"`{given[at].text[:40]}` of a split of `pivot`", given[at].span, help)
        value = given[at + 1]
        if option == "as":
            label = value.text
        elif value.text.lower() in PERIODS:
            made.before.append(f'bin "{escape_search_text(target)}" span={PERIODS[value.text.lower()]}')
        elif value.text.lower() != "auto":
            raise SourceError("bad-argument", f"`{value.text[:40]}` is no period of `pivot`", value.span)
        at += 2
    if name == "splitrow":
        made.rows.append((target, label))
    else:
        made.columns.append(target)


def print_filter_search(given: list[Word]) -> str:
    """FILTER as a search."""
    name, form = f'"{escape_search_text(given[0].text)}"', given[1].text.lower() if len(given) > 1 else ""
    value = escape_search_text(" ".join(w.text for w in given[2:]))
    if form in PIVOT_OPERATORS and value:
        return f'search {name}{form}"{value}"'
    if form == "in" and value:
        options = " OR ".join(f'{name}="{v.strip()}"' for v in value.strip("() ").split(","))
        return f"search ({options})"
    # isNull and isNotNull have no value, all others need one.
    if form not in FILTERS or bool(value) == form.endswith("null"):
        known = (*FILTERS, "in", *PIVOT_OPERATORS)
        help = did_you_mean(form, known) or 'write `FILTER field is "value"`'
        raise SourceError("bad-argument", f"FILTER of `pivot` has no `{form[:40]}`", given[0].span, help=help)
    return "search " + FILTERS[form].format(f=name, v=value)


@COMMANDS.define("datamodel", order="keeps", fields="remakes", raw="never", generating=True)
def datamodel(scope: Scope, stage: Stage) -> None:
    """The events of a dataset, its fields under qualified names; under their own after `flat`.

    Reference: reference/spl.md 9
    """
    found = bind_options(stage, "strict_fields", "allow_old_summaries", "summariesonly")
    words = [w.text for w in found.words]
    if len(words) < 3 or words[2].lower() not in ("search", "flat", "acceleration_search"):
        raise found.error("bad-argument", "`datamodel` needs a model, a dataset and `search`")
    root, child = resolve_dataset(f"{words[0]}.{words[1]}", found.words[0].span)
    if words[2].lower() == "flat":
        select_unqualified(scope, root, child, stage.span)
    else:
        select_qualified(scope, root, child, stage.span, local=True)


@COMMANDS.define("from", order="keeps", fields="remakes", raw=names_saved_search, subsearch="keeps", generating=True)
def from_(scope: Scope, stage: Stage) -> None:
    """A dataset's events, a table's rows or a saved search's: `from datamodel:Web.Web`, `from lookup:assets`.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "*")
    words = [w.text.strip('"') for w in found.words]
    kind, _, name = words[0].partition(":") if words else ("", "", "")
    name = name.strip('"') or (words[1] if len(words) > 1 else "")
    if kind.lower() == "datamodel" and name:
        root, child = resolve_dataset(name, found.words[-1].span)
        select_unqualified(scope, root, child, stage.span)
        return
    if kind.lower() in ("inputlookup", "lookup") and name:
        node, columns = build_lookup_rows(scope, name, found.words[-1].span)
        scope.replace(node, columns, events=False)
        return
    if kind.lower() == "savedsearch" and name:
        run_saved(scope, " ".join([name, *words[1 if name in words[0] else 2 :]]), found.words[0].span, {})
        return
    raise scope.unsupported(f"`from {kind}`", stage.span, "datamodel, lookup and savedsearch are")
