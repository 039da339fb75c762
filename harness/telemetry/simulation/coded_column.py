"""Columns of activities as codes into few values: texts, and answers of the domain name system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.record import record

RowCodes = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class PooledTexts:
    """Texts that many columns share and that are drawn after all of these are there: a code is a place among them."""

    values: pa.StringArray = field(default_factory=lambda: pa.array([], pa.string()))
    places: RowCodes = field(default_factory=lambda: np.empty(0, np.int64))

    def pick(self, codes: RowCodes) -> tuple[pa.StringArray, RowCodes]:
        """The texts that these codes mean, and codes into them alone."""
        own = self.places[codes]
        wanted = np.zeros(len(self.values), bool)
        wanted[own] = True
        moved = np.cumsum(wanted) - 1
        return self.values.take(pa.array(np.flatnonzero(wanted))), moved[own]


# RowCodes into few values instead of a text a row: a beacon of a million calls has one address.
@record(kw_only=True, eq=False)
class TextColumn:
    """One text a row, as codes into few values; None is an absent one. Many values stay Arrow's own."""

    values: Sequence[str | None] | pa.StringArray | PooledTexts
    codes: RowCodes

    def __len__(self) -> int:
        return len(self.codes)

    def texts(self) -> list[str]:
        """The values as texts, an absent one empty."""
        held = self.values
        if isinstance(held, PooledTexts):
            held = held.values.take(pa.array(held.places))
        held = held.to_pylist() if isinstance(held, pa.Array) else held
        return [v or "" for v in held]

    def take(self, rows: RowCodes) -> TextColumn:
        """These rows, in this order."""
        return TextColumn(values=self.values, codes=self.codes[rows])


@record(kw_only=True)
class DnsAnswer:
    """What a name resolves to: addresses, and the CNAME chain before them."""

    addresses: tuple[str, ...] = ()
    canonical_names: tuple[str, ...] = ()


@record(kw_only=True, eq=False)
class AnswerColumn:
    """One answer a row, as codes into few."""

    values: Sequence[DnsAnswer]
    codes: RowCodes

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: RowCodes) -> AnswerColumn:
        """These rows, in this order."""
        return AnswerColumn(values=self.values, codes=self.codes[rows])
