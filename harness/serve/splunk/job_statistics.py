"""What a job's events look like: how many when (`timeline`), which values (`summary`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import quoteattr

from starlette.responses import JSONResponse, Response

from harness.detection.engine import CellValue
from harness.serve.splunk.atom import XML, XML_HEAD, clean_xml
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.job_endpoints import JOBS, list_result_fields
from harness.serve.splunk.jobs import Job, print_time
from harness.serve.splunk.results import print_field_values

ENDPOINTS = Endpoints()
# Seconds of a bucket, the shortest that gives few enough of them; as Splunk's timelines zoom.
SPANS = (1, 60, 3_600, 86_400, 30 * 86_400, 365 * 86_400)
MOST_TIMELINE_BUCKETS = 300
# Rows of a job that are looked at; chosen, no source.
MOST_SAMPLED = 100_000
MOST_VALUES = 100


def list_times(job: Job) -> Iterator[float]:
    """The times of a job's rows."""
    found = job.outcome
    if found is None or "_time" not in found.columns:
        return
    at = found.columns.index("_time")
    for row in job.run.rows(0, MOST_SAMPLED):
        if isinstance(row[at], int | float):
            yield float(row[at])  # type: ignore[arg-type]


@ENDPOINTS.answer(JOBS + "/{sid}/timeline")
async def show_timeline(call: RestCall) -> Response:
    """How many events there are in each stretch of time."""
    job = call.state.jobs.find(call.groups["sid"])
    times = sorted(list_times(job))
    reach = times[-1] - times[0] if times else 0.0
    span = next((s for s in SPANS if reach / s <= MOST_TIMELINE_BUCKETS), SPANS[-1])
    counted = Counter(int(t // span) * span for t in times)
    buckets = [
        {
            "total_count": count,
            "available_count": count,
            "earliest_time": begin,
            "duration": span,
            "is_finalized": True,
            "earliest_strftime": print_time(begin),
        }
        for begin, count in sorted(counted.items())
    ]
    if call.mode.startswith("json"):
        return JSONResponse({"buckets": buckets, "event_count": len(times)})
    inner = "".join(
        f'<bucket c="{b["total_count"]}" a="{b["available_count"]}" t="{b["earliest_time"]}.000" d="{span}" f="1" '
        f'etz="0" ltz="0">{b["earliest_strftime"]}</bucket>'
        for b in buckets
    )
    return Response(f'{XML_HEAD}<timeline c="{len(times)}" cursor="0">{inner}</timeline>', media_type=XML)


@ENDPOINTS.answer(JOBS + "/{sid}/summary")
async def show_summary(call: RestCall) -> Response:
    """Each field of a job's rows: in how many it is, how many values it has, which are the most usual."""
    job = call.state.jobs.find(call.groups["sid"])
    found = job.outcome
    columns = found.columns if found else ()
    chosen = [name for name in columns if name in list_result_fields(call) or not list_result_fields(call)]
    counted: dict[str, Counter[str]] = {name: Counter() for name in chosen}
    present: Counter[str] = Counter()
    rows = 0
    for row in job.run.rows(0, MOST_SAMPLED):
        rows += 1
        for name, value in zip(columns, row, strict=True):
            if value is not None and name in counted:
                present[name] += 1
                counted[name].update(count_field_values(name, value))
    fields = {name: summarize_field(counted[name], present[name]) for name in chosen if present[name]}
    if call.mode.startswith("json"):
        return JSONResponse({"fields": fields, "event_count": rows})
    inner = "".join(field_xml(name, held) for name, held in fields.items())
    return Response(f"{XML_HEAD}<results preview='0'><summary c='{rows}'>{inner}</summary></results>", media_type=XML)


def count_field_values(name: str, value: CellValue) -> list[str]:
    """A cell's values as texts."""
    printed = print_field_values(name, value)
    return printed if isinstance(printed, list) else [printed]


def summarize_field(values: Counter[str], present: int) -> dict[str, Any]:
    """What is said of a field."""
    modes = [{"value": value, "count": count} for value, count in values.most_common(MOST_VALUES)]
    numbers = [value for value in values if is_number_in_text(value)]
    return {
        "count": present,
        "distinct_count": len(values),
        "is_exact": True,
        "numeric_count": sum(values[value] for value in numbers),
        "modes": modes,
    }


def is_number_in_text(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def field_xml(name: str, held: dict[str, Any]) -> str:
    """A field of a summary."""
    modes = "".join(
        f"<value c='{m['count']}' exact='1'><text>{clean_xml(m['value'])}</text></value>" for m in held["modes"]
    )
    return (
        f"<field k={quoteattr(name)} c='{held['count']}' nc='{held['numeric_count']}' dc='{held['distinct_count']}' "
        f"exact='1' relevant='0'><modes>{modes}</modes></field>"
    )
