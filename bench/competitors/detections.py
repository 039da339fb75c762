"""The two published rules of T1583.004 as somebody who knows SQL would write them: facts that all competitors share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

NAMES = [
    "%microsoft.com",
    "%windows.com",
    "%office.com",
    "%azure.com",
    "%microsoftonline.com",
    "%office365.com",
    "%amazonaws.com",
    "%cloudflare.com",
    "%akamai%",
    "%googleapi%",
    "%digicert.com",
    "%verisign.com",
    "%ocsp.%",
    "%crl.%",
]
ADDRESSES = ["10.%", *(f"172.{i}.%" for i in range(16, 32)), "192.168.%", "127.%"]
LOOPBACK = ["::1", "0:0:0:0:0:0:0:1"]
# A list of its own and not the rule's: a translation that shared code with detlab would share its mistakes.
IMAGES = [
    "msedge",
    "chrome",
    "firefox",
    "iexplore",
    "opera",
    "brave",
    "outlook",
    "teams",
    "slack",
    "zoom",
    "onedrive",
    "msedgewebview2",
]
SUSPICIOUS = (
    r"(?i)(powershell\.exe|pwsh\.exe|cmd\.exe|wscript\.exe|cscript\.exe|rundll32\.exe|regsvr32\.exe|mshta\.exe"
    r"|certutil\.exe|bitsadmin\.exe|curl\.exe|wget\.exe|msiexec\.exe|wmic\.exe|msbuild\.exe)"
)

# One regular expression a column: what an expert writes who has seen that many patterns are slow.
NAME_REGEX = (
    r"(?i)((microsoft|windows|office|azure|microsoftonline|office365|amazonaws|cloudflare|digicert|verisign)\.com$"
    r"|akamai|googleapi|ocsp\.|crl\.)"
)
ADDRESS_REGEX = r"^(10\.|172\.(1[6-9]|2[0-9]|3[01])\.|192\.168\.|127\.|::1$|0:0:0:0:0:0:0:1$)"
IMAGE_REGEX = rf"(?i)\\({'|'.join(IMAGES)})\.exe$"

# The CQL rule's own lists, which differ from the SPL rule's.
CQL_ADDRESS_REGEX = r"^(10\.|172\.(1[6-9]|2[0-9]|3[01])\.|192\.168\.|127\.)"
CQL_IMAGE_REGEX = (
    r"(?i)(msedge|chrome|firefox|iexplore|opera|brave|outlook|msteams|slack|zoom|onedrive|msedgewebview2)\.exe"
)
CQL_SUSPICIOUS = (
    r"(?i)(powershell|pwsh|cmd|wscript|cscript|rundll32|regsvr32|mshta|certutil|bitsadmin|curl|wget|msiexec|wmic"
    r"|msbuild|csc)\.exe"
)

SPL_KEYS = ["host", "Image", "DestinationIp", "DestinationHostname"]
CQL_KEYS = ["ComputerName", "ImageFileName", "RemoteAddressIP4", "RemotePort"]
SPL_COLUMNS = [
    *SPL_KEYS,
    "TotalConnections",
    "HoursActive",
    "AvgPerHour",
    "ConsistencyRatio",
    "Ports",
    "FirstSeen",
    "LastSeen",
    "IsSuspiciousProcess",
    "IsBeaconPattern",
    "RiskScore",
]
CQL_COLUMNS = [
    *CQL_KEYS,
    "TotalConnections",
    "HoursActive",
    "AvgPerHour",
    "ConsistencyRatio",
    "IsSuspiciousProcess",
    "IsBeaconPattern",
    "RiskScore",
    "FirstSeen",
    "LastSeen",
]
HOUR = "%Y-%m-%d %H:00:00"
# What `sort` of SPL keeps where it names no count.
SPL_LIMIT = 10_000
DEVIATION = "sqrt(CAST(n * squares - total * total AS DOUBLE) / (n * (n - 1)))"
"""Sample standard deviation of counts from their exact sums: DuckDB's own depends on the order of threads, and a group
whose ratio is exactly 0.5 would come and go."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints rows as all competitors do."""
    json.dump({"columns": list(columns), "rows": [list(row) for row in rows]}, sys.stdout, default=str)


def any_ilike(column: str, patterns: Sequence[str]) -> str:
    """One ILIKE for each pattern."""
    return " OR ".join(f"{column} ILIKE '{p}'" for p in patterns)


def quoted(names: Sequence[str]) -> str:
    """Names of columns as SQL has them."""
    return ", ".join(f'"{name}"' for name in names)


def spl_scores(hourly: str, *, ports: str, limit: str = f"LIMIT {SPL_LIMIT}") -> str:
    """What the SPL rule does after its first `stats`, over (keys, HourBucket, connections and, by `ports`, ports)."""
    keys = quoted(SPL_KEYS)
    return f"""
WITH hourly AS ({hourly}), flows AS (
  SELECT {keys}, sum(connections)::BIGINT AS total, count(*) AS n, sum(connections * connections)::BIGINT AS squares,
    {ports} AS "Ports", min("HourBucket") AS "FirstSeen", max("HourBucket") AS "LastSeen"
  FROM hourly GROUP BY ALL
), scored AS (
  SELECT *, total / n AS "AvgPerHour", {DEVIATION} / (total / n) AS "ConsistencyRatio",
    CASE WHEN regexp_matches("Image", '{SUSPICIOUS}') THEN 1 ELSE 0 END AS "IsSuspiciousProcess"
  FROM flows WHERE total >= 10 AND n >= 2
), risky AS (
  SELECT *, CASE WHEN "ConsistencyRatio" < 0.5 AND "AvgPerHour" >= 0.5 THEN 1 ELSE 0 END AS "IsBeaconPattern"
  FROM scored
)
SELECT {keys}, total AS "TotalConnections", n AS "HoursActive", "AvgPerHour", "ConsistencyRatio", "Ports", "FirstSeen",
  "LastSeen", "IsSuspiciousProcess", "IsBeaconPattern",
  "IsSuspiciousProcess" + "IsBeaconPattern" + CASE WHEN total > 50 THEN 1 ELSE 0 END AS "RiskScore"
FROM risky WHERE "RiskScore" >= 1
ORDER BY "RiskScore" DESC, total DESC, host, "Image", "DestinationIp", "DestinationHostname" {limit}
"""


def spl_filter() -> str:
    """The conditions of the SPL rule as they read."""
    images = " OR ".join(f"suffix(lower(\"Image\"), '\\{n}.exe')" for n in IMAGES)
    loopback = ", ".join(f"'{a}'" for a in LOOPBACK)
    present = " AND ".join(f'"{key}" IS NOT NULL' for key in SPL_KEYS)
    return f"""NOT coalesce({any_ilike('"DestinationHostname"', NAMES)}, FALSE)
    AND NOT coalesce({any_ilike('"DestinationIp"', ADDRESSES)} OR "DestinationIp" IN ({loopback}), FALSE)
    AND NOT coalesce({images}, FALSE) AND {present}"""


def cql_scores(hourly: str) -> str:
    """What the CQL rule does after its first `groupBy`, without the limits of LogScale."""
    keys = quoted(CQL_KEYS)
    return f"""
WITH hourly AS ({hourly}), flows AS (
  SELECT {keys}, "IsSuspiciousProcess", sum(connections)::BIGINT AS total, count(*) AS n,
    sum(connections * connections)::BIGINT AS squares, min("HourBucket") AS "FirstSeen", max("HourBucket") AS "LastSeen"
  FROM hourly GROUP BY ALL
), scored AS (
  SELECT *, total / n AS "AvgPerHour", {DEVIATION} / (total / n) AS "ConsistencyRatio"
  FROM flows WHERE total >= 10 AND n >= 2
), risky AS (
  SELECT *, CASE WHEN "ConsistencyRatio" < 0.5 AND "AvgPerHour" >= 0.5 THEN 1 ELSE 0 END AS "IsBeaconPattern"
  FROM scored
)
SELECT {keys}, total AS "TotalConnections", n AS "HoursActive", "AvgPerHour", "ConsistencyRatio", "IsSuspiciousProcess",
  "IsBeaconPattern", "IsSuspiciousProcess" + "IsBeaconPattern" + CASE WHEN total > 50 THEN 1 ELSE 0 END AS "RiskScore",
  "FirstSeen", "LastSeen"
FROM risky WHERE "RiskScore" >= 1 ORDER BY "RiskScore" DESC
"""
