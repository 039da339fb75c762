"""A classifier that tells simulated events from recorded ones by their shape, and what it tells them by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from harness.record import record
from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import encode_text, list_event_fields
from harness.telemetry.events.windows_event import SYSTEM_FIELDS
from harness.telemetry.simulation.realism_measures import lags, list_event_times
from harness.telemetry.simulation.schedule import FloatArray

FEWEST_CLASSIFIED = 100
MOST_CLASSIFIED = 4000
"""Events of each side of a kind that a classifier needs, and that it looks at."""
FOLDS = 4
# Ridge and steps of a plain logistic regression: chosen so that features that are one another's copies do no harm.
RIDGE = 1e-2
STEPS = 300
# Names and places of a laboratory and the time of its recording are content, not shape.
CONTENT = frozenset(
    (
        # Addresses and numbers of processes are a laboratory's own; System fields tell of who shipped the events.
        *("SourceIp", "DestinationIp", "LocalAddressIP4", "RemoteAddressIP4", "RemoteAddressString"),
        # So are ports that are handed out one after the other, and what is random by its making.
        *("SourcePort", "LocalPort", "ProcessGuid", "ParentProcessGuid", "LogonGuid", "Hashes"),
        *("ProcessId", "ParentProcessId", "NewProcessId", "LogonId", "SubjectLogonId", "RawProcessId"),
        *(
            "Computer",
            "User",
            "ParentUser",
            "SourceHostname",
            "DestinationHostname",
            "UtcTime",
        ),
        *(
            "CreationUtcTime",
            "SystemTime",
            "EventRecordID",
            "Hostname",
            "aid",
            "cid",
            "aip",
            "id",
        ),
        *(
            "timestamp",
            "ConfigBuild",
            "ConfigStateHash",
            "ComputerName",
            "TargetUserName",
        ),
        *(
            "TargetDomainName",
            "SubjectUserName",
            "SubjectDomainName",
            "ContextTimeStamp",
        ),
        *(
            "ProcessStartTime",
            "UserSid",
        ),
    )
)


@record(kw_only=True)
class Betrayal:
    """A feature by which simulated events are known: how well it alone tells them, and its medians on both sides."""

    feature: str
    alone: float
    recorded: float
    simulated: float


@record(kw_only=True)
class Classification:
    """How well events of one kind are told apart: 0.5 is guessing, 1 is always; with what betrays them."""

    kind: str
    accuracy: float
    recorded: int
    simulated: int
    betrayals: tuple[Betrayal, ...]


def classify_kind(kind: str, recorded: Sequence[Events], simulated: Sequence[Events]) -> Classification | None:
    """Cross-validated accuracy of a logistic regression on shapes; None where there are too few events."""
    real, made = max(recorded, key=len), max(simulated, key=len)
    if min(len(real), len(made)) < FEWEST_CLASSIFIED:
        return None
    random = np.random.default_rng(1)
    left_out = {*CONTENT, *SYSTEM_FIELDS}
    names = [n for n in made.fields if n in real.fields and n not in left_out and not n.startswith(("@", "_", "#"))]
    sides = []
    for events in (real, made):
        rows = np.sort(random.permutation(len(events))[:MOST_CLASSIFIED])
        sides.append({n: v[rows] for n, v in measure_features(events, names)})
    features = [n for n in sides[0] if n in sides[1]]
    table = np.concatenate([np.stack([side[n] for n in features], axis=1) for side in sides])
    truth = np.concatenate([np.zeros(len(sides[0][features[0]])), np.ones(len(sides[1][features[0]]))])
    accuracy = cross_validate(table, truth, random)
    return Classification(
        kind=kind,
        accuracy=accuracy,
        recorded=int((truth == 0).sum()),
        simulated=int((truth == 1).sum()),
        betrayals=tuple(rank_features(features, table, truth)[:5]),
    )


def measure_features(events: Events, names: Sequence[str]) -> Iterator[tuple[str, FloatArray]]:
    """Numbers of the shape of each field, and of when it was written."""
    fields = list_event_fields(events)
    for name in names:
        field = fields[name]
        for title, measure in SHAPES.items():
            yield f"{title} of {name}", of_distinct(field, len(events), measure)
    found = lags(events)
    if len(found) == len(events):
        yield "lag of writing", np.log10(np.maximum(found, 1e-5))
    seconds = list_event_times(events).astype(np.int64) % 1_000_000
    yield "fraction of the second", seconds / 1e6


def count_class(characters: str) -> Callable[[str], float]:
    """A measure: the share of a value's characters that are among these."""
    return lambda text: sum(c in characters for c in text) / max(len(text), 1)


def magnitude(text: str) -> float:
    """The logarithm of a value that is a number, -1 for all others."""
    try:
        return float(np.log10(1 + abs(int(text, 0) if text.startswith("0x") else float(text))))
    except (ValueError, OverflowError):
        return -1.0


SHAPES: dict[str, Callable[[str], float]] = {
    "length": lambda text: float(len(text)),
    "digits": count_class("0123456789"),
    "small letters": count_class("abcdefghijklmnopqrstuvwxyz"),
    "signs": count_class("\\/-:;,.{}$%&="),
    "depth": lambda text: float(text.count("\\")),
    "size": magnitude,
}


def of_distinct(field: str | pa.ChunkedArray, count: int, measure: Callable[[str], float]) -> FloatArray:
    """A measure of each row's value, computed once a distinct one; absent values are -2."""
    if isinstance(field, str):
        return np.full(count, measure(field))
    column = encode_text(field).unify_dictionaries().combine_chunks()
    chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    values = np.array([*(measure(v) for v in chunk.dictionary.to_pylist()), -2.0])
    found: FloatArray = values[chunk.indices.fill_null(len(values) - 1).to_numpy()]
    return found


def cross_validate(table: FloatArray, truth: FloatArray, random: np.random.Generator) -> float:
    """The mean of both sides' shares of events that are told right, over four folds."""
    order = random.permutation(len(truth))
    right = np.zeros(len(truth), bool)
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        rest = np.setdiff1d(order, held)
        weights, centre, scale = fit_logistic(table[rest], truth[rest])
        right[held] = (predict(table[held], weights, centre, scale) > 0.5) == (truth[held] > 0.5)
    return float((right[truth == 0].mean() + right[truth == 1].mean()) / 2)


def fit_logistic(table: FloatArray, truth: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights of a logistic regression by gradient descent, and how columns were centred and scaled."""
    centre, scale = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-9)
    columns = np.clip((table - centre) / scale, -6, 6)
    columns = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    # Both sides weigh the same, however many events each has.
    weight = np.where(truth > 0.5, 0.5 / max(truth.mean(), 1e-9), 0.5 / max(1 - truth.mean(), 1e-9))
    weights = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        error = (1 / (1 + np.exp(-columns @ weights)) - truth) * weight
        weights -= 0.5 * (columns.T @ error / len(truth) + RIDGE * weights)
    return weights, centre, scale


def predict(table: FloatArray, weights: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    """How likely each row is simulated."""
    columns = np.clip((table - centre) / scale, -6, 6)
    likely: FloatArray = 1 / (1 + np.exp(-(columns @ weights[:-1] + weights[-1])))
    return likely


def rank_features(features: Sequence[str], table: FloatArray, truth: FloatArray) -> list[Betrayal]:
    """Features by how well one threshold on them alone tells the sides apart, the best first."""
    found = []
    for number, name in enumerate(features):
        real, made = table[truth == 0, number], table[truth == 1, number]
        every = np.unique(np.concatenate([real, made]))
        one = np.searchsorted(np.sort(real), every, side="right") / len(real)
        other = np.searchsorted(np.sort(made), every, side="right") / len(made)
        apart = float(np.abs(one - other).max())
        found.append(
            Betrayal(
                feature=name,
                alone=0.5 + apart / 2,
                recorded=float(np.median(real)),
                simulated=float(np.median(made)),
            )
        )
    return sorted(found, key=lambda each: -each.alone)
