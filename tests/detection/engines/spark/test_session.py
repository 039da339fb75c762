"""What a person is told where Spark is out of reach; needs PySpark and neither Java nor a server."""

import pytest
from click.testing import CliRunner

from harness.cli.main import main

pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'detlab[spark]'")


def told(engine):
    ran = CliRunner().invoke(main, ["conformance", "--engine", engine])
    assert ran.exit_code == 3, ran.output
    return ran.stderr


def test_a_server_that_is_not_there_is_told_at_once_without_its_token():
    text = told("sc://127.0.0.1:9/;token=hush")
    assert "sc://127.0.0.1:9/ did not answer" in text
    assert "hush" not in text


def test_databricks_needs_its_three_variables(monkeypatch):
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CLUSTER_ID"):
        monkeypatch.delenv(name, raising=False)
    assert "set DATABRICKS_HOST and DATABRICKS_TOKEN and DATABRICKS_CLUSTER_ID" in told("databricks")
