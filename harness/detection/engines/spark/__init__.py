"""Spark: a session of this process, a server of Spark Connect, or Databricks; for those who outgrow one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.diagnostics import UnreachableError
from harness.late_module import LateModule

if TYPE_CHECKING:
    import harness.detection.engines.spark.connection as connection
else:
    # Workers import this package for its functions alone.
    connection = LateModule("harness.detection.engines.spark.connection")

# Two sessions would share the machine's memory and processors, and start Java twice.
MOST_PROCESSES = 1
LOCAL_ADDRESS = "local[2]"


def connect(address: str = LOCAL_ADDRESS) -> connection.Spark:
    """A new, empty engine at an address: `local[2]`, `sc://host:port` or `databricks`."""
    try:
        return connection.Spark(address)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pyspark", "py4j", "grpc", "google", "pandas", "googleapis"):
            raise
        hint = "pip install 'detlab[spark]'"
        raise UnreachableError("engine-missing", "spark needs PySpark, which is not installed", help=hint) from error
