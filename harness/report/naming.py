"""Names of expectations and signals: the same in a report, in JUnit and in pytest."""

from __future__ import annotations

from collections.abc import Mapping

from harness.report.paper import beginning
from harness.scenario.scenario import Expectation, Signal


def setting(conditions: Mapping[str, str], switches: Mapping[str, str], dialect: str = "lenient") -> str:
    """What is special about a run: `sysmon_hostname=empty, strict`."""
    parts = [f"{n}={v}" for n, v in {**conditions, **switches}.items()]
    # Lenient is the default of scenarios; a name says only what is special.
    return ", ".join([*parts, *([dialect] if dialect != "lenient" else [])])


def describe_signal_kind(signal: Signal) -> str:
    """What a signal counts: `sysmon 3`."""
    # These names are addresses (`pytest FILE::NAME`, JUnit's history): changing one looks like a new test.
    return f"{signal.sensor} {signal.event}"


def describe_bounds(signal: Signal) -> str:
    """How many events a signal wants."""
    parts = []
    if signal.exactly is not None:
        parts.append(f"exactly {signal.exactly}")
    if signal.at_least is not None:
        parts.append(f"at least {signal.at_least}")
    if signal.at_most is not None:
        parts.append(f"at most {signal.at_most}")
    return " and ".join(parts) or "at least 1"


def describe_fields(signal: Signal) -> str:
    """The fields that a signal asks for, short."""
    return ", ".join(f"{n}={beginning(str(v), 40)}" for n, v in signal.where.items())


def setting_of(expectation: Expectation) -> str:
    """What an expectation sets beside what its scenario does."""
    return setting(expectation.conditions, expectation.switches, expectation.dialect)


def expectation_name(expectation: Expectation) -> str:
    """What an expectation says: `server.spl (sysmon_version=10): false negative`."""
    special = setting_of(expectation)
    return f"{expectation.rule}{f' ({special})' if special else ''}: {expectation.outcome}"


def signal_name(signal: Signal) -> str:
    """What a signal says: `telemetry sysmon 3 (Image=*powershell.exe): exactly 5`."""
    fields = f" ({describe_fields(signal)})" if signal.where else ""
    return f"telemetry {describe_signal_kind(signal)}{fields}: {describe_bounds(signal)}"
