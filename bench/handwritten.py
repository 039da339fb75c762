"""The SPL rule of T1583.004 as somebody who knows SQL well would write it: filters as they read, no tricks."""

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


def any_ilike(column: str, patterns: list[str]) -> str:
    """One ILIKE for each pattern."""
    return " OR ".join(f"{column} ILIKE '{p}'" for p in patterns)


def statement(source: str) -> str:
    """The whole detection over a relation with the columns of event 3."""
    images = " OR ".join(f"suffix(lower(\"Image\"), '\\{n}.exe')" for n in IMAGES)
    loopback = ", ".join(f"'{a}'" for a in LOOPBACK)
    return f"""
WITH hourly AS (
  SELECT host, "Image", "DestinationIp", "DestinationHostname",
    strftime(make_timestamp(CAST(round(_time * 1e6) AS BIGINT)), '%Y-%m-%d %H:00:00') AS "HourBucket",
    count(*) AS connections, list(DISTINCT "DestinationPort") AS ports
  FROM {source}
  WHERE NOT coalesce({any_ilike('"DestinationHostname"', NAMES)}, FALSE)
    AND NOT coalesce({any_ilike('"DestinationIp"', ADDRESSES)} OR "DestinationIp" IN ({loopback}), FALSE)
    AND NOT coalesce({images}, FALSE)
    AND host IS NOT NULL AND "Image" IS NOT NULL AND "DestinationIp" IS NOT NULL AND "DestinationHostname" IS NOT NULL
  GROUP BY ALL
), flows AS (
  SELECT host, "Image", "DestinationIp", "DestinationHostname",
    sum(connections) AS "TotalConnections", count(*) AS "HoursActive", avg(connections) AS "AvgPerHour",
    coalesce(stddev_samp(connections), 0) AS "StdDevPerHour",
    list_sort(list_distinct(flatten(list(ports)))) AS "Ports",
    min("HourBucket") AS "FirstSeen", max("HourBucket") AS "LastSeen"
  FROM hourly
  GROUP BY ALL
), scored AS (
  SELECT *,
    CASE WHEN "AvgPerHour" > 0 THEN "StdDevPerHour" / "AvgPerHour" ELSE 99 END AS "ConsistencyRatio",
    CASE WHEN regexp_matches("Image", '{SUSPICIOUS}') THEN 1 ELSE 0 END AS "IsSuspiciousProcess"
  FROM flows
  WHERE "TotalConnections" >= 10 AND "HoursActive" >= 2
), risky AS (
  SELECT *,
    CASE WHEN "ConsistencyRatio" < 0.5 AND "AvgPerHour" >= 0.5 THEN 1 ELSE 0 END AS "IsBeaconPattern"
  FROM scored
)
SELECT host, "Image", "DestinationIp", "DestinationHostname", "TotalConnections"::DOUBLE, "HoursActive"::DOUBLE,
  "AvgPerHour", "ConsistencyRatio", "Ports", "FirstSeen", "LastSeen", "IsSuspiciousProcess"::DOUBLE,
  "IsBeaconPattern"::DOUBLE,
  ("IsSuspiciousProcess" + "IsBeaconPattern" + CASE WHEN "TotalConnections" > 50 THEN 1 ELSE 0 END)::DOUBLE AS risk
FROM risky
WHERE risk >= 1
ORDER BY risk DESC, "TotalConnections" DESC, host, "Image", "DestinationIp", "DestinationHostname"
LIMIT 10000
"""
