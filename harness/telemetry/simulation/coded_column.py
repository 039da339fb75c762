"""Columns of activities as codes into few values: texts, and answers of the domain name system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

RowCodes = npt.NDArray[np.int64]


# RowCodes into few values instead of a text a row: a beacon of a million calls has one address.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextColumn:
    """One text a row, as codes into few values; None is an absent one. Many values stay Arrow's own."""

    values: Sequence[str | None] | pa.StringArray
    codes: RowCodes

    def __len__(self) -> int:
        return len(self.codes)

    def texts(self) -> list[str]:
        """The values as texts, an absent one empty."""
        held = self.values.to_pylist() if isinstance(self.values, pa.Array) else self.values
        return [v or "" for v in held]

    def take(self, rows: RowCodes) -> TextColumn:
        """These rows, in this order."""
        return TextColumn(values=self.values, codes=self.codes[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """What a name resolves to: addresses, and the CNAME chain before them."""

    addresses: tuple[str, ...] = ()
    canonical_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnswerColumn:
    """One answer a row, as codes into few."""

    values: Sequence[DnsAnswer]
    codes: RowCodes

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: RowCodes) -> AnswerColumn:
        """These rows, in this order."""
        return AnswerColumn(values=self.values, codes=self.codes[rows])
