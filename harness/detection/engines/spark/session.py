"""Spark's sessions: one of this process in memory, one on a server of Spark Connect, one on Databricks."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zipfile import ZipFile

from harness.diagnostics import HarnessError, UnreachableError
from harness.late_module import LateModule
from harness.scratch_folder import ScratchFolder
from harness.supervisor import Board, default_memory

# PySpark 4.3 warns of pandas 3, of which nothing here is used, wherever it first looks for it.
warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
from pyspark.sql import SparkSession  # noqa: E402 -- the filter has to stand before the import

if TYPE_CHECKING:
    import harness as package
else:
    package = LateModule("harness")

LOCAL = "local[2]"
# Spark Connect's own port; the patience is chosen, no source.
DEFAULT_PORT, SECONDS_TO_ANSWER = 15002, 10.0
DATABRICKS = "databricks"
DATABRICKS_VARIABLES = ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CLUSTER_ID")
# A shell that works with a server has them; --engine says where plans run, and Spark refuses two answers.
OTHER_ADDRESSES = ("SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_CONNECT_MODE_ENABLED", "SPARK_API_MODE")
# What a statement means must not hang on where it runs; whoever prints one says so above it.
SESSION_MEANING = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Events have fields such as ProcessId and ProcessID; a statement names each as its file does.
    "spark.sql.caseSensitive": "true",
    "spark.sql.groupByOrdinal": "true",
}
LOOPBACK_ONLY = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# A statement over few events takes as long as it takes to plan: one task, and nothing planned anew meanwhile.
FEW_EVENTS = {
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.leafNodeDefaultParallelism": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    # Interpreted: a class compiled for a handful of rows is never paid back.
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
MANY_EVENTS = {
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.leafNodeDefaultParallelism": "8",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
}


# Half of Java's processor time for the pack was the compiler that makes code for long runs, which a statement over few
# events never pays back.
FEW_EVENTS_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


STARTED: dict[str, SparkSession] = {}
"""Spark within this process, by address."""


def is_local(address: str) -> bool:
    """Whether an address is this process's own Java."""
    return address.startswith("local")


def open_spark_session(address: str, *, few: bool) -> SparkSession:
    """A session of its own at an address: `local[2]`, `sc://host:port` or `databricks`; raises UnreachableError.

    Java of this process is started for `few` events or for many, whichever the first session asks for.
    """
    # Every failed statement would be told a second time, as JSON on stderr.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    if is_local(address):
        if address not in STARTED:
            STARTED[address] = start_spark(address, few=few)
        session = STARTED[address].newSession()
    else:
        session = connect_spark_server(build_databricks_address() if address == DATABRICKS else address)
        ship_package(session)
    for name, value in SESSION_MEANING.items():
        session.conf.set(name, value)
    return session


def check_java() -> None:
    """Raises UnreachableError where there is no Java."""
    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (home and (Path(home) / "bin" / "java").exists())):
        hint = "install Java 17 or newer (Debian: default-jre-headless), or name a server: --engine sc://HOST:PORT"
        raise UnreachableError("engine-missing", "spark needs Java, and there is none here", help=hint)


def start_spark(master: str, *, few: bool) -> SparkSession:
    """Spark within this process's own Java; it ends with the process."""
    folder = ScratchFolder("detlab-spark-")
    # Chosen: events in memory, shuffles and Python's workers beside it share what a run may have.
    memory = min(Board.current.memory or default_memory(), default_memory()) // 4
    # Workers otherwise run whatever `python3` is first in the path; no setting of Spark says it to Python's side.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    for name in OTHER_ADDRESSES:
        os.environ.pop(name, None)
    builder: Any = SparkSession.builder.master(master).appName("detlab")
    settings = {
        **LOOPBACK_ONLY,
        "spark.driver.memory": f"{max(512, memory >> 20)}m",
        "spark.ui.liveUpdate.period": "-1",
        "spark.local.dir": str(folder.path),
        "spark.sql.warehouse.dir": str(folder.path / "warehouse"),
        "spark.log.level": "OFF",
        **({"spark.driver.extraJavaOptions": FEW_EVENTS_JAVA} if few else {}),
    }
    for name, value in {**settings, **SESSION_MEANING}.items():
        builder = builder.config(name, value)
    with silenced_stderr(folder.path / "java.log"):
        try:
            made: SparkSession = builder.getOrCreate()
        except Exception as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            told = (folder.path / "java.log").read_text("utf-8", "replace").strip().splitlines()
            # Java says in its last line what it lacks, as memory or a newer version.
            reason = f"{reason} {told[-1][:300]}" if told else reason
            hint = "see whether `java -version` says 17 or newer"
            raise UnreachableError("engine-missing", f"spark did not start: {reason}", help=hint) from error
    return made


@contextmanager
def silenced_stderr(log: Path) -> Iterator[None]:
    """Java started meanwhile writes to a file what it would write on stderr for as long as it lives."""
    sys.stderr.flush()
    before = os.dup(2)
    with log.open("ab") as target:
        os.dup2(target.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def connect_spark_server(address: str) -> SparkSession:
    """A session on a server of Spark Connect."""
    shown = address.partition(";")[0]
    place = urlsplit(shown)
    builder: Any = SparkSession.builder
    try:
        # Spark's client tries again for ten minutes where nobody listens.
        with socket.create_connection((place.hostname or "", place.port or DEFAULT_PORT), SECONDS_TO_ANSWER):
            pass
        session: SparkSession = builder.remote(address).create()
        session.conf.get("spark.sql.session.timeZone")
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        hint = "see whether the server of Spark Connect runs there, and whether its version is that of PySpark here"
        raise UnreachableError("engine-unreachable", f"{shown} did not answer: {reason}", help=hint) from error
    return session


def build_databricks_address() -> str:
    """The address of a cluster on Databricks, from the environment; TLS, as its port says."""
    missing = [name for name in DATABRICKS_VARIABLES if not os.environ.get(name)]
    if missing:
        hint = f"set {' and '.join(missing)}"
        raise UnreachableError("engine-unreachable", "it is not said where Databricks is", help=hint)
    host, token, cluster = (os.environ[name] for name in DATABRICKS_VARIABLES)
    plain = host.removeprefix("https://").strip("/")
    if any(c in plain + token + cluster for c in ";/ "):
        raise HarnessError("usage", "a variable for Databricks holds what no address has", help="see `detlab doctor`")
    return f"sc://{plain}:443/;use_ssl=true;token={token};x-databricks-cluster-id={cluster}"


def ship_package(session: SparkSession) -> None:
    """Sends this package to a server's workers, which evaluate what SQL lacks."""
    folder = ScratchFolder("detlab-artifact-")
    root = Path(str(package.__file__)).parent
    archive = folder.path / "detlab_harness.zip"
    with ZipFile(archive, "w") as packed:
        for part in ("detection", "telemetry/events"):
            for path in sorted((root / part).rglob("*.py")):
                packed.write(path, Path("harness") / path.relative_to(root))
        for path in sorted(root.glob("*.py")):
            packed.write(path, Path("harness") / path.name)
        if not (root / "telemetry" / "__init__.py").exists():
            return
        packed.write(root / "telemetry" / "__init__.py", "harness/telemetry/__init__.py")
    session.addArtifacts(str(archive), pyfile=True)
    folder.remove()
