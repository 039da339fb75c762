"""Records in the formats of security products: CEF and LEEF."""

from __future__ import annotations

from harness.detection.languages.cql.binding import RAWSTRING, TIMESTAMP, Name, Zone
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.functions.fields import flatten_text_fields, list_record_header_fields, take_out
from harness.detection.languages.cql.functions.timestamps import parsed_time
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Expression, Literal

DEVICE_TIMES = ("%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z", "%b %d %Y %H:%M:%S.%f", "%b %d %Y %H:%M:%S")


@FUNCTIONS.row("parseCEF")
def parse_cef(
    row: RowScope,
    field: Name = RAWSTRING,
    *,
    headerprefix: str = "cef.",
    keeplabels: bool = False,
    labelprefix: str = "cef.label.",
    prefix: str = "cef.ext.",
) -> None:
    """The header and the extension of a CEF record as fields; a value with a label is called by it.

        t := "x CEF:0|V|P|1|id|name|5|src=1.2.3.4 msg=a b" | parseCEF(t) | x := cef.ext.src -> x=1.2.3.4 cef.name=name
        t := "CEF:0|V|P|1|id|name|5|cs1=q cs1Label=Rule" | parseCEF(t) | x := cef.label.Rule -> x=q

    Reference: library.humio.com, parseCEF()
    """
    options = {"header": headerprefix, "prefix": prefix, "label": labelprefix, "keeplabels": keeplabels}
    flat = flatten_text_fields(row, row.text(field), "cef", options)
    for name, value in take_out(row, flat, "", always=list_record_header_fields("cef", headerprefix)):
        row.assign(name, value)


@FUNCTIONS.row("parseLEEF")
def parse_leef(
    row: RowScope,
    field: Name = RAWSTRING,
    *,
    delimiter: str = "",
    headerprefix: str = "leef.",
    keeplabels: bool = False,
    labelprefix: str = "leef.label",
    parsetime: bool = True,
    prefix: str = "leef.ext.",
    timezone: Zone = "UTC",
) -> None:
    """The header and the extension of a LEEF record as fields; `devTime` is the event's time if `parsetime`.

        t := "LEEF:1.0|V|P|1|id|src=1.2.3.4" | parseLEEF(t) | x := leef.ext.src -> x=1.2.3.4 leef.device.vendor=V
        t := "LEEF:2.0|V|P|1|id|^|devTime=1700000000000^act=a b" | parseLEEF(t) | x := leef.ext.act
        -> x=a b @timestamp=1700000000000

    Reference: library.humio.com, parseLEEF()
    """
    labels = labelprefix if labelprefix.endswith(".") else f"{labelprefix}."
    options = {
        "header": headerprefix,
        "prefix": prefix,
        "label": labels,
        "keeplabels": keeplabels,
        "delimiter": delimiter,
    }
    flat = flatten_text_fields(row, row.text(field), "leef", options)
    for name, value in take_out(row, flat, "", always=list_record_header_fields("leef", headerprefix)):
        row.assign(name, value)
    if parsetime:
        row.assign(TIMESTAMP, device_time(ops.json_text(flat, Literal(f'$."{prefix}devTime"')), timezone))


def device_time(text: Expression, zone: str) -> Expression:
    """The time of a device in milliseconds: an epoch, or written in one of the usual ways."""
    epoch = ops.to_number(text)
    return ops.coalesce(epoch, parsed_time(text, list(DEVICE_TIMES), zone))
