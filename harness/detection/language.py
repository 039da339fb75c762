"""Contract: a query language: text in, plan out; its switches, and whether a scenario may set them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol

from harness.diagnostics import Finding, HarnessError, Source, SourceError, Span, did_you_mean
from harness.record import record

if TYPE_CHECKING:
    from harness.detection.enclosure import Enclosure
    from harness.detection.plan.expressions import Schema
    from harness.detection.plan.nodes import Node
    from harness.scenario.scenario import Scenario


class Answered(Protocol):
    """The rows that a question is answered with."""

    def records(self) -> Iterator[Mapping[str, object]]:
        """Each row by the names of its columns, absent values left out."""


Ask = Callable[["Node"], Answered]
"""Runs a plan on the events that a query is planned for and gives its rows; the asker bounds their number."""


class Strictness(StrEnum):
    """How a text is read: STRICT as its product would, LENIENT as its author meant it, each deviation recorded."""

    STRICT = "strict"
    LENIENT = "lenient"


@record(kw_only=True)
class Switch:
    """A meaning that could not be settled: its values, the first being the default, and how the product settles it."""

    name: str
    values: tuple[str, ...]
    question: str
    settle: str = ""

    @property
    def default(self) -> str:
        """The value that holds unless somebody says otherwise."""
        return self.values[0]


@record
class Step:
    """One step of a query: its text's place, and the relation after it."""

    span: Span
    node: Node
    name: str


@record(kw_only=True)
class Cut:
    """A limit of the product that may leave rows out: `more` has a row if it does, and then `finding` is to be told.

    `rows` is a relation of which more than `most` rows would be too many, where the limit concerns rows; `kept` is
    what is left of it.
    """

    finding: Finding
    more: Node
    rows: Node | None = None
    most: int = 0
    kept: Node | None = None


@record(kw_only=True)
class Plan:
    """What a query means over one schema.

    `switches` are those that the query's meaning depends on, with the value used. `reads` are the names of event
    fields that it reads. `findings` are remarks that need the schema, such as a field that no event has. `asked` says
    that the meaning itself hangs on the events (columns named by their values, a search for each row), so that the
    plan holds for no other events; without somebody to ask it is what can be told of the query alone. `cuts` are the
    product's limits that the plan follows. `implied` are those fields among `reads` that the query does not name, but
    that others are made of, as those of a data model are.
    """

    node: Node
    steps: tuple[Step, ...]
    switches: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    asked: bool = False
    cuts: tuple[Cut, ...] = ()
    implied: frozenset[str] = frozenset()


@record(kw_only=True)
class Settings:
    """What a query's meaning depends on beside its text.

    `now` is the search's time in epoch seconds; `zone` that of the searching user; `switches` chosen values by name;
    `parameters` values of `?name`; `macros`, `lookups` and `saved` are content of the platform the rule was made for.
    `props` and `transforms` are stanzas of Splunk's files of these names; with the first, fields are extracted from the
    text of events before they are searched. `eventtypes` and `tags` are those of the files of these names. `ask` is
    given by whoever holds an engine with the events, for queries whose columns only these can name.
    """

    now: float = 0.0
    zone: str = "UTC"
    switches: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    macros: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    saved: Mapping[str, str] = field(default_factory=dict)
    props: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    transforms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    eventtypes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # What to say of a field that no event has, if there is anything.
    find_hint: Callable[[str], str | None] | None = field(default=None, compare=False, repr=False)
    # Not compared: settings are equal if they mean the same, whoever answers questions.
    ask: Ask | None = field(default=None, compare=False, repr=False)


@record(kw_only=True)
class Timing:
    """Which rows of a table are of an event's time: those that are `least` to `most` seconds older than it.

    `field` is the column with the time of a row, `form` how it is written, in the codes of strptime.
    """

    field: str
    # The three defaults are those of transforms.conf: time_format, min_offset_secs and max_offset_secs.
    form: str = "%s.%Q"
    least: float = 0.0
    most: float = 2_000_000_000.0


@record(kw_only=True)
class Lookup:
    """A table that a rule looks values up in: rows of text, and how its keys match.

    `match` gives for a key column `wildcard` or `cidr`, the column then holding patterns. With `timing` a row has to be
    of the event's time too.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    match: Mapping[str, str] = field(default_factory=dict)
    case_sensitive: bool = True
    # max_matches of transforms.conf; a table with a time has 1 there, see `tables.shape`.
    most: int = 100
    least: int = 0
    default: str | None = None
    timing: Timing | None = None


class Query(Protocol):
    """A parsed query.

    `deviations` are the places where lenient reading was needed, empty if it was not. `raw` says whether it may read
    the text of events themselves (`_raw`, `@rawstring`, free text), which a platform then has to supply.
    """

    source: Source
    deviations: tuple[Finding, ...]
    raw: bool

    def plan(self, columns: Schema, settings: Settings) -> Plan:
        """The meaning over a schema; raises SourceError for what is not supported."""

    def render(self) -> str:
        """The query printed again; parsing that gives an equal query."""

    def sent_text(self) -> str:
        """The text for a product that has none of the rule's own content: macros are expanded."""

    def confine(self, enclosure: Enclosure, until: int | None = None) -> str:
        """The query's own text up to a place, reading the enclosure's events only; a query of `sent_text` can do that.

        Raises CannotEncloseError where it would read others.
        """


class SupportState(StrEnum):
    """What runs showed to become of a rule that uses it; UNTESTED where none did."""

    SUPPORTED = "supported"
    DIVERGING = "diverging"
    REFUSED = "refused"
    UNTESTED = "untested"


@record(kw_only=True)
class ReferenceEntry:
    """One command or function: its state, what it does, and its conformance cases by their evidence.

    `because` says why it is refused, or what of it differs from the product. `usage` is a regular expression of where a
    query uses it; a call of its name unless given. `probe` is a short query with its name, which a run refuses if it
    refuses the name. `signature` is how it is called, `parameters` are what may be named in a call, `examples` calls
    and their values, `manual` is what there is to say beyond the summary. A language gives no state: that is for runs
    to show.
    """

    kind: str
    name: str
    state: SupportState = SupportState.UNTESTED
    summary: str = ""
    reference: str = ""
    evidence: Mapping[str, int] = field(default_factory=dict)
    because: str = ""
    usage: str = ""
    probe: str = ""
    signature: str = ""
    parameters: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    manual: str = ""


class Language(Protocol):
    """A query language: one folder in `languages/`, its module has an object of this shape called LANGUAGE.

    `product` is what people call the software whose language it is, `platform` the one that presents events as it does,
    `remote` the engine that sends queries to it, empty where there is none.
    """

    name: str
    product: str
    platform: str
    remote: str
    switches: tuple[Switch, ...]

    def parse(
        self, source: Source, dialect: Strictness = Strictness.LENIENT, settings: Settings | None = None
    ) -> Query:
        """The query of a text. Raises SourceError where it cannot be read, RejectedError where STRICT refuses it."""

    def lint(self, source: Source, settings: Settings | None = None) -> tuple[Finding, ...]:
        """What the product would reject (ERROR) or silently get wrong (WARNING), in the order of the text."""

    def reference(self) -> Iterable[ReferenceEntry]:
        """Every command and function that the product documents or this language has."""


LANGUAGE_MEMBERS = tuple(n for n in (*Language.__annotations__, *vars(Language)) if not n.startswith("_"))


# Asked for every rule of a folder, and listing a folder takes as long as reading a short rule.
@cache
def list_languages() -> tuple[str, ...]:
    """All languages there are; a language's name is its folder's and its files' suffix."""
    return tuple(sorted(m.name for m in iter_modules([str(Path(__file__).parent / "languages")]) if m.ispkg))


def language(name: str) -> Language:
    """The language of that name or file suffix."""
    wanted = name.removeprefix(".").lower()
    # By the folder's name before anything is imported: the text comes from a file's suffix.
    if wanted not in list_languages():
        said = f"no query language is called `{wanted}`" if wanted else "a rule without a suffix has no language"
        raise HarnessError("unknown-language", said, help=suggest_language(wanted))
    found: Language = import_module(f"harness.detection.languages.{wanted}").LANGUAGE
    silent = [f"`{member}`" for member in LANGUAGE_MEMBERS if not hasattr(found, member)]
    if silent:
        message = f"the language `{wanted}` does not say {' and '.join(silent)}"
        raise HarnessError("registration", message, help="harness/detection/language.py says what each is")
    return found


def find_product_language(engine: str) -> Language:
    """The language of the product that an engine sends queries to."""
    found = next((spoken for name in list_languages() if (spoken := language(name)).remote == engine), None)
    if found is None:
        message = f"no language says that the engine `{engine}` is its product"
        raise HarnessError("registration", message, help=f'let its language have `remote = "{engine}"`')
    return found


def suggest_language(wanted: str) -> str:
    """The nearest language, or all of them."""
    return did_you_mean(wanted, list_languages()) or f"languages are {', '.join(list_languages())}"


def list_switches() -> dict[str, tuple[str, Switch]]:
    """Every switch by its name, with the language that it belongs to."""
    return {s.name: (name, s) for name in list_languages() for s in language(name).switches}


def list_switch_names() -> list[str]:
    """The name of every switch, as `list_switches` has them; of most languages only the table of them is imported."""
    found: list[str] = []
    for name in list_languages():
        table = f"harness.detection.languages.{name}.switches"
        switches = import_module(table).SWITCHES if find_spec(table) else language(name).switches
        found += (switch.name for switch in switches)
    return found


def check_switches(given: Mapping[str, str]) -> None:
    """Raises HarnessError for a switch or a value that there is not."""
    switches = list_switches() if given else {}
    for name, value in given.items():
        if name not in switches:
            hint = did_you_mean(name, switches) or "`detlab list switches` shows them"
            raise HarnessError("unknown-switch", f"no switch is called `{name}`", help=hint)
        values = switches[name][1].values
        if value not in values:
            hint = did_you_mean(value, values) or f"it has {', '.join(values)}"
            raise HarnessError("unknown-switch-value", f"switch `{name}` has no value `{value}`", help=hint)


def check_scenario_switches(scenario: Scenario) -> None:
    """Raises SourceError at a switch of the scenario that there is not."""
    for number, expectation in enumerate(scenario.body.expect):
        for name, value in expectation.switches.items():
            try:
                check_switches({name: value})
            except HarnessError as error:
                keys = ("expect", number, "switches", name)
                # The caret stands under what is wrong: the name of the switch, or its value.
                span = scenario.document.key(keys) if error.code == "unknown-switch" else scenario.place(*keys)
                raise SourceError(error.code, error.message, span, help=error.help) from error
