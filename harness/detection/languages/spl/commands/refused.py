"""Commands that are not run, each with the reason, and those that only tell a search head what to do."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.registry import COMMANDS, CommandFacts
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan.expressions import Column, Kind, SortKey
from harness.detection.plan.nodes import Sort, Values

REASONS = {
    "runs a model of the Machine Learning Toolkit": ("apply fit score sample listmodels deletemodel summary_ml"),
    "forecasts by a model whose fitting its reference does not give": "predict",
    "takes out seasons by weights that its reference does not give": "x11",
    "scores events by a formula that its reference does not give": (
        "anomalies anomalousvalue analyzefields af associate"
    ),
    "groups events by a likeness that its reference does not define": "cluster",
    "starts from random centres and so gives other groups on each run": "kmeans",
    "finds rules whose strength its reference does not define": "arules",
    "relates fields by a share whose base its reference does not define": "correlate",
    "learns a regular expression from examples in a way that its reference does not give": "erex",
    "guesses event types from events in a way that its reference does not give": "findtypes typelearner",
    "shows how the text of two events differs, for a person to read": "diff",
    "puts events into the cells of a map, for a widget": "geostats geomfilter",
    "puts paths together into folders by steps that its reference does not give": "bucketdir folderize",
    "weighs events by the words of the search, for a person to browse": "relevancy",
    "makes events anonymous with dictionaries that only a search head has": "scrub",
    "reads a form file that only a search head has": "kvform",
    "reads or writes files of the search head": "input dump runshellscript",
    "is a tool for the search head itself": "prjob findkeywords collapse",
    "asks a threat intelligence store": "inputintelligence",
    "needs a transaction type of the search head": "searchtxn",
    "deletes events of an index": "delete",
    "reads what the search head logged of its users": "audit history",
    "reads the words of an index": "typeahead walklex",
    "reads metric events in raw form, which no store here has": "mpreview msearch",
    "looks for gaps in a summary index": "overlap",
    "asks other systems over the network": "curl dnsquery dnstwist ldapsearch",
    "is no command of Splunk's own reference": "entitymerge iptool trendmicro mvcollapse",
}
REFUSED_FACTS: CommandFacts = {"order": "forgets", "fields": "keeps", "raw": "never", "generating": True}
"""What is said of every command that is not run: no plan has one, so nobody sees what it does to rows."""
# Tables of such answers are what people export from their search head (reference/spl.md 7: environment queries).
STATE = ("rest", "metadata", "metasearch", "dbinspect", "eventcount", "mcatalog", "dbxquery")


def refuse_command(reason: str) -> Callable[[Scope, Stage], None]:
    """A command that is not run, with the reason as its manual."""

    def refused(scope: Scope, stage: Stage) -> None:
        raise scope.unsupported(f"`{stage.name}`, which {reason},", stage.span)

    # Each has a page in the reference, like commands that run.
    refused.__doc__ = f"It {reason}.\n\nReference: reference/spl.md 7"
    return refused


@COMMANDS.define(*STATE, order="forgets", fields="keeps", raw="never", generating=True)
def state(scope: Scope, stage: Stage) -> None:
    """What a search head knows of itself: a lookup table of the command's name stands in for it.

    Reference: reference/spl.md 7
    """
    bind_options(stage, "*")
    table = scope.settings.lookups.get(stage.name)
    if table is None:
        help = f"give a lookup table `{stage.name}` with the rows that it would return"
        raise scope.unsupported(f"`{stage.name}`, which asks the search head,", stage.span, help)
    columns = dict.fromkeys(table.columns, Kind.TEXT)
    # An empty cell of a file is no value.
    rows = tuple(tuple(c if c != "" else None for c in r) for r in table.rows)
    scope.replace(Values(columns=columns, rows=rows, span=stage.span), columns, events=False)


for why, names in REASONS.items():
    facts: CommandFacts = {**REFUSED_FACTS, "refused": f"It {why}."}
    COMMANDS.define(*names.split(), **facts)(refuse_command(why))


def sink(scope: Scope, stage: Stage) -> None:
    """Would send or store the rows; here they pass through and nothing leaves."""
    message = f"`{stage.name}` acts on a real system; here the rows pass through"
    scope.session.note("not-sent", message, stage.span)


@COMMANDS.define(
    "collect",
    "meventcollect",
    "mcollect",
    "summaryindex",
    "stash",
    "tscollect",
    order="keeps",
    fields="keeps",
    raw="never",
)
def collect(scope: Scope, stage: Stage) -> None:
    """Would write the rows to an index; here they pass through.

    Reference: reference/spl.md 7
    """
    sink(scope, stage)


@COMMANDS.define(
    "sendemail",
    "sendalert",
    "summary",
    "script",
    "run",
    "outputtelemetry",
    "notable",
    "risk",
    "snowevent",
    "snoweventstream",
    "snowincident",
    "snowincidentstream",
    order="keeps",
    fields="keeps",
    raw="never",
)
def send(scope: Scope, stage: Stage) -> None:
    """Would send the rows; here they pass through.

    Reference: reference/spl.md 7
    """
    sink(scope, stage)


@COMMANDS.define(
    "noop",
    "localop",
    "redistribute",
    "highlight",
    "abstract",
    "iconify",
    "geom",
    order="keeps",
    fields="keeps",
    raw="never",
)
def note_without_effect(scope: Scope, stage: Stage) -> None:
    """Changes how rows are shown or computed, not what they are.

    Reference: reference/spl.md 7
    """
    scope.session.note("no-effect", f"`{stage.name}` has no effect here", stage.span)


@COMMANDS.define("require", order="keeps", fields="keeps", raw="never")
def require(scope: Scope, stage: Stage) -> None:
    """Makes a search of no rows fail on a real system; here the rows pass through.

    Reference: Splunk Search Reference, require
    """
    bind_options(stage).at_most(0)
    scope.session.note("no-effect", "`require` has no effect here", stage.span)


@COMMANDS.define("rtorder", order="keeps", fields="keeps", raw="never")
def rtorder(scope: Scope, stage: Stage) -> None:
    """The rows in ascending order of time.

    Reference: Splunk Search Reference, rtorder
    """
    bind_options(stage, "discard", "buffer_span", "max_buffer_size")
    scope.node = Sort(source=scope.node, keys=(SortKey(Column("_time")),), span=stage.span)
