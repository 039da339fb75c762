"""Macros that published detections take for granted, as every installation of their apps has them."""

from __future__ import annotations

from collections.abc import Mapping

Definition = Mapping[str, object]


def define_standard_macro(definition: str, *args: str) -> Definition:
    """A macro in the shape of a macros file."""
    return {"definition": definition, "args": args}


STANDARD: Mapping[str, Definition] = {
    "drop_dm_object_name(1)": define_standard_macro('rename "$object$.*" as *', "object"),
    "security_content_ctime(1)": define_standard_macro(
        'convert timeformat="%Y-%m-%dT%H:%M:%S" ctime($field$)', "field"
    ),
    "security_content_summariesonly": define_standard_macro(
        "summariesonly=false allow_old_summaries=true fillnull_value=null"
    ),
    "summariesonly": define_standard_macro("summariesonly=false"),
    "cim_corporate_web_domain_search(1)": define_standard_macro("()", "field"),
    "cim_corporate_email_domain_search(1)": define_standard_macro("()", "field"),
    "ctime(1)": define_standard_macro('convert timeformat="%m/%d/%Y %H:%M:%S" ctime($field$)', "field"),
    "indextime": define_standard_macro("*"),
    "threathunting_index": define_standard_macro("index=threathunting"),
    "windows-security": define_standard_macro('(source="*WinEventLog:Security" OR sourcetype="*WinEventLog:Security")'),
    "sysmon": define_standard_macro('source="*WinEventLog:Microsoft-Windows-Sysmon/Operational"'),
    "wineventlog_security": define_standard_macro('source="*WinEventLog:Security"'),
    "powershell": define_standard_macro('source="*WinEventLog:Microsoft-Windows-PowerShell/Operational"'),
}
"""By name, with the number of arguments where there are any; a macros file wins over these."""

OPEN_ENDED = ("_filter", "_whitelist", "_allowlist")


def open_ended(name: str) -> bool:
    """Whether a macro is by convention a place for a site's own exclusions, empty as delivered."""
    return name.endswith(OPEN_ENDED)
