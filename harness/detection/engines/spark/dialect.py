"""Spark SQL's table of primitives: what has one meaning there too; the rest is refused with the reason.

The session's time zone has to be UTC, as `compile` says above the statement.
"""

from __future__ import annotations

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.sql.dialect import SqlDialect, spell_shared

SPARK = SqlDialect(
    name="spark",
    prints_as="spark",
    types={
        Kind.TEXT: "TEXT",
        Kind.NUMBER: "DOUBLE",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.LIST: "TEXT[]",
        Kind.NULL: "TEXT",
        Kind.EVENT: "BIGINT",
        Kind.EVENTS: "BIGINT[]",
    },
)
spell_shared(SPARK)
# Spark has no table of distinct values on which Python could compute; a wrong row would be worse than this error.
SPARK.refuse(
    "Spark SQL has no function for it; DuckDB computes it in Python on distinct values",
    *[
        ops.regex_extract_all,
        ops.regex_pairs,
        ops.regex_replace,
        ops.regex_split,
        ops.url_decode,
        ops.url_encode,
        ops.base64_decode,
        ops.hex_decode,
        ops.entropy,
        ops.from_base,
    ],
    *[
        ops.to_base,
        ops.format_number,
        ops.group_digits,
        ops.parse_time,
        ops.calendar_add,
        ops.cidr_contains,
        ops.ip_text,
        ops.community_id,
        ops.ip_network,
        ops.list_range,
    ],
    *[
        ops.json_list,
        ops.json_keys,
        ops.json_paths,
        ops.xml_paths,
        ops.json_valid,
        ops.json_object,
        ops.json_array,
        ops.to_json,
        ops.xml_text,
        ops.xpath_text,
        ops.key_value,
        ops.record_fields,
        ops.round,
        ops.log,
    ],
    *[
        ops.json_value,
        ops.json_inferred,
        ops.json_native,
        ops.json_part,
        ops.json_elements,
        ops.json_set,
        ops.json_append,
    ],
    *[ops.json_extend, ops.json_delete, ops.json_entries, ops.json_nested, ops.format_text],
)
SPARK.refuse(
    "Spark's aggregates give no promise about the order of rows",
    *[ops.collect, ops.first, ops.last, ops.least_by, ops.greatest_by, ops.mode],
)
# Folds run in Python over an engine's own rows; a text that somebody else runs has no place for them.
SPARK.refuse("it needs rows in order, one after the other", ops.session_of, ops.series_of, ops.smoothed)
SPARK.refuse(
    "not needed by a rule so far",
    *[ops.list_zip, ops.list_ordered, ops.list_index, ops.list_map, ops.fill, ops.pad_start, ops.list_statistic],
)
SPARK.refuse(
    "not needed by a rule so far",
    *[ops.glob_payloads, ops.list_mode, ops.percentile_rank, ops.percentile_below, ops.sketch_value],
    *[ops.table_rows, ops.moved_time],
)
