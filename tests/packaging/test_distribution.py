"""What `make release` builds: the same bytes twice, with all that detlab needs, at work outside the repository."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACK = ("scenarios/T1583.004/server.spl", "scenarios/worlds/office.yaml", "generators/beacon.py", "lab/README.md")


def build(source: Path, folder: Path, *what: str) -> list[Path]:
    """Builds in a process of its own, as `make release` does."""
    # The time that a wheel's entries have is the commit's or this one, never the clock's.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), *what]
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True, timeout=120)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "-t", "wheel")[0]


def test_a_wheel_carries_the_pack_the_pages_and_the_licence_and_no_test(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    for file in PACK:
        assert f"harness/bundled/{file}" in names
    assert "harness/bundled/conformance/spl/stats.md" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert any(name.endswith("/licenses/NOTICE") for name in names)
    assert {name.split("/")[0] for name in names if not name.startswith("detlab-")} == {"harness"}
    assert not [name for name in names if "/test_" in name or name.endswith(".pyc")]


def test_two_builds_are_the_same_bytes(wheel: Path, tmp_path: Path):
    (again,) = build(ROOT, tmp_path, "-t", "wheel")
    assert again.read_bytes() == wheel.read_bytes()


@pytest.mark.more
def test_a_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path):
    (archive,) = build(ROOT, tmp_path / "sdist", "-t", "sdist")
    (tmp_path / "unpacked").mkdir()
    # By tar: the filter of Python's own module came with 3.11.4.
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path / "unpacked"], check=True)
    (source,) = (tmp_path / "unpacked").iterdir()
    (again,) = build(source, tmp_path / "wheel", "-t", "wheel")
    one, other = zipfile.ZipFile(wheel), zipfile.ZipFile(again)
    assert {e.filename: e.CRC for e in one.infolist()} == {e.filename: e.CRC for e in other.infolist()}


@pytest.mark.more
def test_a_wheel_judges_its_pack_in_an_empty_folder_with_an_empty_home(wheel: Path, tmp_path: Path):
    site, folder, home = (tmp_path / name for name in ("site", "folder", "home"))
    for each in (site, folder, home):
        each.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(site)}

    def detlab(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-c", "from harness.cli.main import main; main()", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)

    judged = detlab("run")
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "0 differ" in judged.stdout
    assert str(site / "harness") in detlab("list", "scenarios", "--json").stdout
    page = detlab("conformance", str(site / "harness/bundled/conformance"), "--language", "cql")
    assert page.returncode == 0, page.stdout + page.stderr
    refused = detlab("conformance", "--write")
    assert refused.returncode == 2
    assert "are not written to" in refused.stderr


@pytest.mark.more
def test_the_bill_of_materials_is_valid_cyclonedx(tmp_path: Path):
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    target = tmp_path / "detlab.cdx.json"
    # As `make release` makes it, of the environment that the tests run in.
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.prefix, "--pyproject", "pyproject.toml"]
    made = [*command, "--output-reproducible", "--output-file", str(target)]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True)
    text = target.read_text()
    assert '"name": "detlab"' in text
    version = schema.SchemaVersion.from_version(json.loads(text)["specVersion"])
    assert validation.JsonStrictValidator(version).validate_str(text) is None
    broken = text.replace('"bomFormat": "CycloneDX"', '"bomFormat": "other"')
    assert validation.JsonStrictValidator(version).validate_str(broken) is not None
