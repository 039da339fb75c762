"""What a node of the plan became: a CTE, a table of the store; what is to be made before a statement runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import repeat

from harness.detection.plan.dimension import TimeSpan
from harness.detection.plan.expressions import Schema
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.plan.value import compute_values
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Order
from harness.detection.sql.code_sets import Coding
from harness.record import record


@record(kw_only=True)
class Relation:
    """A CTE: its name, its logical columns, all its physical ones, and those that hold its current order.

    Of physical columns in `codes` it holds codes; in an order these stand for the order of their values. Those in
    `spans` are stored times.
    """

    name: str
    columns: Schema
    held: frozenset[str]
    order: Order = ()
    codes: Mapping[str, Coding] = field(default_factory=dict)
    spans: Mapping[str, TimeSpan] = field(default_factory=dict)


@record(kw_only=True)
class Stored:
    """A table of the engine's store: its name there, the columns it has, and the parts it is kept in, if it is.

    Of physical columns in `codes` it holds codes.
    """

    name: str
    columns: Schema
    parts: tuple[StoredPart, ...] = ()
    codes: Mapping[str, Coding] = field(default_factory=dict)


@record(kw_only=True)
class TemporaryTable:
    """A relation to keep as a table while the statement runs: `query` gives its rows."""

    table: str
    query: str


@record(kw_only=True)
class Computation:
    """An operation to evaluate in Python before the statement runs.

    `query` gives the distinct arguments that are no literals, one column each; `literals` has the others by place. The
    engine makes a table `table` of them with columns `keys` and the result as `value`, of type `kind`.
    """

    table: str
    operation: Operation
    query: str
    literals: Mapping[int, object]
    keys: tuple[str, ...]
    value: str
    kind: str

    def results(self, rows: Sequence[Sequence[object]]) -> list[object]:
        """The operation's value for each row of distinct arguments."""
        varying = iter(zip(*rows, strict=True)) if rows else repeat(())
        count = len(self.keys) + len(self.literals)
        # Argument by argument, since a row of its own for each value takes longer than many an operation.
        arguments = [repeat(self.literals[i], len(rows)) if i in self.literals else next(varying) for i in range(count)]
        return compute_values(self.operation, zip(*arguments, strict=True))


@record(kw_only=True)
class Pending:
    """An operation whose result is joined in, by its arguments as columns.

    Where these read elements, `elements` are the parameters and their lists, the outermost first, and the result is a
    map from arguments, whose SQL types are `types`.
    """

    operation: Operation
    arguments: tuple[exp.Expression, ...]
    elements: tuple[tuple[str, exp.Expression], ...] = ()
    types: tuple[str, ...] = ()
    kind: str


SQLColumns = dict[str, exp.Expression]
CodedColumns = Mapping[str, Coding]
