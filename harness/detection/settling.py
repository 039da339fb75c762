"""Conformance cases on a real product: what is assumed becomes observed, and open questions are settled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from harness.detection import conformance
from harness.detection.conformance import (
    NO_ROWS,
    ConformanceCase,
    difference,
    parse_page_table,
    render_page_rows,
    split_column_name,
)
from harness.detection.engine import Engine, ResultRows
from harness.detection.language import Language, Settings, Switch, find_product_language
from harness.detection.remote import ProductRecord, RejectedByProductError, RemoteProduct
from harness.diagnostics import HarnessError, Source, SourceError, UnreachableError
from harness.telemetry.platform import UNITS_PER_SECOND

# makeresults sets them to the time of the run.
OF_EACH_RUN = ("_time", "_raw")


class SettlingState(StrEnum):
    """What became of a case."""

    HOLDS = "holds"
    DIFFERS = "differs"
    GAP = "known gap"
    CLOSED = "gap closed"
    NOT_RUN = "cannot be run there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A case with its state, and its difference or the reason why it was not run."""

    case: ConformanceCase
    page: Path
    state: SettlingState
    problem: str = ""

    @property
    def observable(self) -> bool:
        """Whether it was assumed and has now been seen to hold."""
        return self.state is SettlingState.HOLDS and self.case.evidence.startswith("assumed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An open question and the values of its switch that give what the product gave."""

    switch: Switch
    values: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledPage:
    """A page and its text with outputs where there were none, which belong to these cases."""

    page: Path
    text: str
    cases: tuple[ConformanceCase, ...]


def check_here(case: ConformanceCase, page: Path, engine: Engine) -> Checked:
    """A case on an engine that runs plans."""
    problem = conformance.check_case(case, engine)
    if case.known_gap:
        state = SettlingState.GAP if problem else SettlingState.CLOSED
    else:
        state = SettlingState.DIFFERS if problem else SettlingState.HOLDS
    return Checked(case=case, page=page, state=state, problem=problem or "")


def fill_page(page: Path, name: str, engine: Engine) -> FilledPage:
    """The page with what the engine gives where an output is empty.

    A case with a known gap stays empty, and one whose query fails or whose rows a block cannot hold.
    """
    source = Source(str(page), page.read_text("utf-8"))
    rows: dict[int, str] = {}
    for number, case in enumerate(conformance.parse_cases(source, name)):
        if case.output == "" and not case.known_gap:
            with suppress(HarnessError):
                rows[number] = render_page_rows(conformance.run_case_query(case, engine))
    rows = {number: text for number, text in rows.items() if text.strip() and "```" not in text}
    text = conformance.fill_empty_outputs(source, name, rows)
    cases = conformance.parse_cases(Source(str(page), text), name)
    return FilledPage(page=page, text=text, cases=tuple(cases[number] for number in rows))


def check_there(case: ConformanceCase, page: Path, product: RemoteProduct) -> Checked:
    """A case on a real product; an error case holds where the product rejects the query too, whatever it says."""
    reason = unsuitable(case)
    if reason:
        return Checked(case=case, page=page, state=SettlingState.NOT_RUN, problem=reason)
    try:
        found = product.answer(case.query, list_case_events(case), now=case.settings.now)
    # Not a result: without the product no further case can say anything.
    except UnreachableError:
        raise
    except RejectedByProductError as error:
        state = SettlingState.HOLDS if case.error is not None else SettlingState.DIFFERS
        return Checked(case=case, page=page, state=state, problem=f"the product rejects it: {error.message}")
    except HarnessError as error:
        return Checked(case=case, page=page, state=SettlingState.NOT_RUN, problem=error.message)
    problem = compare_with_page(case, found)
    return Checked(
        case=case, page=page, state=SettlingState.DIFFERS if problem else SettlingState.HOLDS, problem=problem or ""
    )


def unsuitable(case: ConformanceCase) -> str:
    """Why a case says nothing about a product on its own."""
    settings = case.settings
    needed = [n for n in ("macros", "lookups", "saved", "parameters", "props", "transforms") if getattr(settings, n)]
    # Content would have to be installed on somebody's product, and a case must leave nothing there.
    if needed:
        return f"it needs {' and '.join(needed)}, which would have to be installed there"
    return "it is about a time zone of the searching user" if settings.zone != "UTC" else ""


def list_case_events(case: ConformanceCase) -> list[ProductRecord]:
    """The events of a case as records; moments are numbers in the unit of their column."""
    found: list[ProductRecord] = []
    for each in case.inputs:
        for row in each.rows:
            record: dict[str, str | list[str] | float] = {}
            for header, cell in zip(each.columns, row, strict=True):
                name = split_column_name(header)
                if cell is None:
                    continue
                timed = name in UNITS_PER_SECOND or name != header
                record[name] = conformance.parse_page_number(name, str(cell)) if timed else cell
            found.append(record)
    return found


def compare_with_page(case: ConformanceCase, found: ResultRows) -> str | None:
    """How a product's rows differ from the page's."""
    shown = render_page_rows(found)
    if case.error is not None:
        return f"expected:\n{case.error}\n\ngot rows:\n{shown}"
    wanted = parse_page_table("" if (case.output or "").strip() == NO_ROWS else case.output or "", case.place)
    problem = difference(wanted, found, case.ordered)
    return problem and f"{problem}\nexpected:\n{case.output}\n\ngot:\n{shown}"


def settle(product: RemoteProduct, engine: Engine) -> Iterator[Settled]:
    """Each open question of the product's language, asked by the query that its switch names."""
    spoken = find_product_language(product.name)
    for switch in spoken.switches:
        try:
            there = product.answer(switch.settle, ())
            answers = {value: here(spoken, switch, value, engine) for value in switch.values}
        except UnreachableError:
            raise
        except HarnessError as error:
            yield Settled(switch=switch, problem=error.message)
            continue
        wanted = normalise_rows(there)
        same = tuple(value for value, rows in answers.items() if normalise_rows(rows) == wanted)
        # A query under which all values agree cannot settle its question.
        told = len(same) == len(switch.values)
        problem = (
            "its query gives the same under every value"
            if told
            else ""
            if same
            else f"it gives: {render_page_rows(there)}"
        )
        yield Settled(switch=switch, values=() if told else same, problem=problem)


def here(spoken: Language, switch: Switch, value: str, engine: Engine) -> ResultRows:
    """What the switch's query gives here under one value."""
    settings = Settings(switches={switch.name: value})
    query = spoken.parse(Source(f"{switch.name}.{spoken.name}", switch.settle), settings=settings)
    columns = engine.load(conformance.views(()))
    return engine.run(query.plan(columns, replace(settings, ask=engine.run)).node)


def normalise_rows(found: ResultRows) -> list[tuple[tuple[str, str], ...]]:
    """Sorted rows for comparison: fields by name, without times, hidden columns and tags."""
    kept = [(i, n) for i, n in enumerate(found.columns) if n not in OF_EACH_RUN and not n.startswith(("@", "#"))]
    texts = (
        tuple(sorted((n, conformance.render_page_value(r[i])) for i, n in kept if r[i] is not None)) for r in found.rows
    )
    return sorted(texts)


def mark_observed(page: Source, checked: Sequence[Checked], version: str) -> str:
    """The page with `Evidence: assumed` made `observed on <version>` in the cases that were seen to hold."""
    text = page.text
    # From the end of the page, so that the places before stay right.
    for each in sorted(checked, key=lambda c: -c.case.place.start):
        if not each.observable:
            continue
        start = each.case.place.end
        ends = text.find("\n## ", start)
        body = text[start : ends if ends >= 0 else len(text)]
        line = body.find("Evidence: assumed")
        if line < 0:
            raise SourceError("conformance-page", "the case has no line `Evidence: assumed`", each.case.place)
        stop = body.find("\n", line)
        text = text[:start] + body[:line] + f"Evidence: observed on {version}" + body[stop:] + text[start + len(body) :]
    return text


def without_gap(case: ConformanceCase) -> ConformanceCase:
    """The case as if it had no known gap: a product has none of ours."""
    return replace(case, facts={k: v for k, v in case.facts.items() if k != "Known gap"})
