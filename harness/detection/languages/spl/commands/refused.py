"""Commands that need what only a running Splunk has: models, its own state, scripts."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.languages.spl.arguments import given
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan.columns import Kind
from harness.detection.plan.nodes import Values

LEARNING = (
    "apply", "fit", "predict", "anomalydetection", "anomalies", "anomalousvalue", "cluster", "kmeans", "outlier",
    "analyzefields", "af", "arules", "associate", "correlate", "contingency", "x11", "concurrency", "findtypes",
    "summary_ml", "deletemodel", "listmodels", "score", "sample",
)  # fmt: skip
SCRIPTS = (
    "erex", "multikv", "xmlunescape", "localize", "scrub", "relevancy", "diff", "folderize", "dnstwist", "dnsquery",
    "entitymerge", "iptool", "ldapsearch", "curl", "input", "delete", "audit", "history", "trendmicro", "searchtxn",
    "typeahead", "savedsearch", "loadjob", "inputcsv", "walklex", "pivot", "mpreview", "geom", "geostats",
    "geomfilter", "cofilter", "bucketdir", "setfields", "reltime", "fieldsummary", "mvcollapse",
)  # fmt: skip
STATE = ("rest", "metadata", "metasearch", "dbinspect", "eventcount", "mcatalog", "gentimes", "dbxquery")


def refusing(kind: str) -> Callable[[Scope, Stage], None]:
    """A command that cannot be run here."""

    def refused(scope: Scope, stage: Stage) -> None:
        """Needs what only a running Splunk has.

        Reference: reference/spl.md 7
        """
        raise scope.unsupported(f"`{stage.name}`, which needs {kind},", stage.span)

    return refused


@COMMANDS.define(*STATE, generating=True)
def state(scope: Scope, stage: Stage) -> None:
    """What a search head knows of itself: a lookup table of the command's name stands in for it.

    Reference: reference/spl.md 7
    """
    given(stage, "*")
    table = scope.settings.lookups.get(stage.name)
    if table is None:
        help = f"give a lookup table `{stage.name}` with the rows that it would return"
        raise scope.unsupported(f"`{stage.name}`, which asks the search head,", stage.span, help)
    columns = dict.fromkeys(table.columns, Kind.TEXT)
    rows = tuple(tuple(c if c != "" else None for c in r) for r in table.rows)
    scope.replace(Values(columns=columns, rows=rows, span=stage.span), columns, events=False)


COMMANDS.define(*LEARNING)(refusing("a trained model"))
COMMANDS.define(*SCRIPTS)(refusing("a script or a state of the search head"))
