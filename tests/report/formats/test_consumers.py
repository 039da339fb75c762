"""Reports as others' own programs read them: published schemas, and the libraries that viewers stand on."""

import json
import shutil
import subprocess
import tarfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from harness.report.report import format
from harness.scenario.scenario import Outcome

pytestmark = pytest.mark.more


@pytest.fixture(scope="module")
def sarif_schema(tmp_path_factory):
    """The schema of SARIF 2.1.0 as Microsoft's matchers for Jest (MIT) carry it, fetched and never kept."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("sarif")
    fetch = ["npm", "pack", "--silent", "@microsoft/jest-sarif@1.0.0-beta.0"]
    if subprocess.run(fetch, cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip("the npm registry does not answer")
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        return json.load(archive.extractfile("package/lib/schemas/sarif-2.1.0-rtm.5.json"))


@pytest.fixture
def red(report):
    """The same run with one attack missed, and when it began."""
    first, *others = report.outcomes.verdicts
    turned = replace(first, observed=Outcome.FALSE_NEGATIVE if not first.observed.gap else Outcome.TRUE_POSITIVE)
    outcomes = replace(report.outcomes, verdicts=(turned, *others))
    return replace(report, outcomes=outcomes, began="2026-03-03T09:12:00Z")


def test_sarif_is_valid_and_read_by_sarif_tools(red, sarif_schema, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    loader = pytest.importorskip("sarif.loader")
    text = format("sarif").write(red)
    validator = jsonschema.validators.validator_for(sarif_schema)
    assert [e.message for e in validator(sarif_schema).iter_errors(json.loads(text))] == []
    assert not validator(sarif_schema).is_valid({"version": "2.1.0", "runs": [{"tool": {}}]})
    (tmp_path / "run.sarif").write_text(text)
    read = loader.load_sarif_file(str(tmp_path / "run.sarif"))
    assert read.get_distinct_tool_names() == ["detlab"]
    assert read.get_result_count() == len(red.differing) == 1
    (record,) = read.get_records()
    assert record["Severity"] == "error"
    assert record["Line"] >= 1


def test_junit_is_read_by_junitparser_and_adds_up(red):
    junitparser = pytest.importorskip("junitparser")
    suites = junitparser.JUnitXml.fromstring(format("junit").write(red).encode())
    cases = [case for suite in suites for case in suite]
    assert len(cases) == suites.tests == len(red.outcomes.verdicts) + len(red.outcomes.visibilities)
    kinds = [type(each).__name__ for case in cases for each in case.result]
    assert kinds.count("Failure") == suites.failures == 1
    assert kinds.count("Skipped") == suites.skipped > 0
    told = [each.message for case in cases for each in case.result if type(each).__name__ == "Skipped"]
    assert all(told)
    stamps = {suite.timestamp for suite in suites}
    assert {datetime.fromisoformat(stamp).replace(tzinfo=UTC).year for stamp in stamps} == {2026}


@pytest.mark.parametrize("name", ["navigator", "navigator_visibility"])
def test_layers_are_read_by_mitre_s_library(red, name):
    layers = pytest.importorskip("mitreattack.navlayers")
    written = json.loads(format(name).write(red))
    layer = layers.Layer(init_data=written, strict=True).to_dict()
    assert layer["domain"] == written["domain"] == "enterprise-attack"
    assert [t["techniqueID"] for t in layer["techniques"]] == [t["techniqueID"] for t in written["techniques"]]
    assert float(written["versions"]["layer"]) >= 4.5
