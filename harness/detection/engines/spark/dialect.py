"""Spark SQL's table of primitives: what has one meaning there too; the rest is refused with the reason.

The session's time zone has to be UTC, as `compile` says above the statement.
"""

from __future__ import annotations

from harness.detection.plan.columns import Kind
from harness.detection.sql.dialect import SqlDialect
from harness.detection.sql.portable import spell_shared

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
        "regex_extract_all",
        "regex_pairs",
        "regex_replace",
        "regex_split",
        "url_decode",
        "url_encode",
        "base64_decode",
        "hex_decode",
        "entropy",
        "from_base",
    ],
    *[
        "to_base",
        "format_number",
        "group_digits",
        "parse_time",
        "calendar_add",
        "cidr_contains",
        "ip_text",
        "community_id",
        "ip_network",
        "list_range",
    ],
    *[
        "json_list",
        "json_keys",
        "json_paths",
        "xml_paths",
        "json_valid",
        "json_object",
        "json_array",
        "to_json",
        "xml_text",
        "xpath_text",
        "key_value",
        "record_fields",
        "round",
        "log",
    ],
    *["json_value", "json_inferred", "json_native", "json_part", "json_elements", "json_set", "json_append"],
    *["json_extend", "json_delete", "json_entries", "format_text"],
)
SPARK.refuse(
    "Spark's aggregates give no promise about the order of rows",
    *["collect", "first", "last", "least_by", "greatest_by", "mode"],
)
# Folds run in Python over an engine's own rows; a text that somebody else runs has no place for them.
SPARK.refuse("it needs rows in order, one after the other", "session_of", "series_of", "smoothed")
SPARK.refuse(
    "not needed by a rule so far",
    *["list_zip", "list_ordered", "list_index", "list_map", "fill", "pad_start", "list_statistic"],
)
SPARK.refuse("not needed by a rule so far", "glob_payloads", "list_mode", "percentile_rank", "table_rows", "moved_time")
