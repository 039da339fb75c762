"""What a group holds of a coded column: sets of codes in place of lists of text, one code in place of a value."""

from __future__ import annotations

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import CODE, VALUE, Dimension
from harness.detection.sql import tree as exp
from harness.record import record

# Shifted further, the one bit of a BIGINT would be its sign.
BITS_OF_SET = 62
"""Codes whose sets are the bits of one integer."""
# Chosen, no source: all values are one list where sets are shown as texts.
LARGEST_LISTED = 1_000_000
CHOOSING = frozenset({ops.first, ops.last, ops.least_by, ops.greatest_by})
"""Aggregates that give one of the values, whatever they are."""


@record(kw_only=True)
class CodeSet:
    """Distinct codes of one dimension: the bits of an integer, or a list."""

    dimension: Dimension

    @property
    def bits(self) -> bool:
        """Whether each code is a bit."""
        return self.dimension.size <= BITS_OF_SET

    def members_query(self) -> str:
        """The query of one row that has all values that such sets can hold."""
        if self.bits:
            listed = (
                f"list({{'{CODE}': {CODE}, '{VALUE}': {VALUE}}} ORDER BY {VALUE}) FILTER (WHERE {VALUE} IS NOT NULL)"
            )
        else:
            listed = f"list({VALUE} ORDER BY {CODE})"
        return f"SELECT {listed} AS {VALUE} FROM {self.dimension.table}"


@record(kw_only=True)
class SetLookUp:
    """The texts of a set of codes, sorted, by the one row of a table that has all of them."""

    codes: exp.Expression
    table: str
    bits: bool


Coding = Dimension | CodeSet
"""What a column that holds no values holds."""
