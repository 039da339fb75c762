"""What the repository gives other repositories' CI: the action's own scripts are run, the other files read."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as etree
from pathlib import Path

import pytest
import yaml

from harness.cli.main import list_subcommands
from harness.report.report_formats import list_report_formats
from tests.report.conftest import write_pack

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


def step(name):
    return next(s for s in ACTION["runs"]["steps"] if s["name"] == name)


def run_step(name, folder, **inputs):
    """A step of the action as a runner runs it: bash, inputs as variables, commands in files."""
    given = {key: str(value.get("default", "")) for key, value in ACTION["inputs"].items()} | inputs
    variables = {}
    for key, text in step(name)["env"].items():
        (named,) = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", text).groups()
        variables[key] = given[named]
    script = folder / "step.sh"
    script.write_text(step(name)["run"])
    own = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(folder / "output"), "GITHUB_STEP_SUMMARY": str(folder / "md")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # As runners call it.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    environment = {**os.environ, **variables, **own, "PATH": path}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "my scenarios").mkdir()
    write_pack(tmp_path / "my scenarios")
    return tmp_path


def test_the_action_judges_a_foreign_repository_and_keeps_its_reports(repository):
    rule = repository / "my scenarios" / "server.spl"
    rule.write_text(rule.read_text().replace("TotalConnections >= 10", "TotalConnections >= 1000"))
    ran = run_step(
        "Judge", repository, paths="my scenarios/routable\n\nmy scenarios/benign\n", options="--true-positive"
    )
    assert ran.returncode == 1, ran.stderr
    folder = repository / "detlab-report"
    assert (repository / "output").read_text() == "folder=detlab-report\n"
    assert sorted(p.name for p in folder.iterdir()) == ["junit.xml", "page.html", "run.json", "run.sarif"]
    assert json.loads((folder / "run.json").read_text())["summary"]["verdicts_differing"] == 2
    assert etree.parse(folder / "junit.xml").getroot().get("failures") == "3"
    assert "::error file=my scenarios/server.spl,line=34," in ran.stderr
    assert (repository / "md").read_text().startswith("## Detection: ")


def test_inputs_of_the_action_are_words_and_never_commands(repository):
    ran = run_step("Judge", repository, paths="$(touch evil)\n`touch evil`\n--help", since="HEAD; touch evil")
    assert ran.returncode == 2
    assert not (repository / "evil").exists()


def test_the_action_lints_with_annotations(repository):
    ran = run_step("Lint", repository, lint="my scenarios/server.cql\n")
    assert ran.returncode == 1
    assert "::error file=my scenarios/server.cql,line=4," in ran.stderr
    assert json.loads((repository / "detlab-report" / "lint.sarif").read_text())["runs"][0]["results"]


def test_no_script_of_the_action_holds_an_expression():
    assert [s["name"] for s in ACTION["runs"]["steps"] if "${{" in s["run"]] == []


def test_the_gitlab_template_and_the_hooks_call_commands_and_options_that_there_are():
    job = yaml.safe_load((ROOT / "templates" / "detlab.gitlab-ci.yml").read_text())["detlab"]
    options = set(re.findall(r"--([a-z]+)", " ".join(job["script"]))) - {"shard", "cache"}
    assert options <= set(list_report_formats())
    assert job["artifacts"]["reports"]["junit"] == "detlab-junit.xml"
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {h["id"] for h in hooks} == {"detlab-lint", "detlab-run"}
    assert {h["entry"].split()[1] for h in hooks} <= set(list_subcommands())


def read_instructions(path):
    """The instructions of a container file, continued lines put together, with their words."""
    text = re.sub(r"\\\n", " ", "\n".join(line for line in path.read_text().split("\n") if not line.startswith("#")))
    return [tuple(line.split(maxsplit=1)) for line in text.split("\n") if line.strip()]


def test_the_container_file_does_what_its_parts_need_of_one_another():
    # No container is built here: each line is held against what the others and the command rely on.
    lines = read_instructions(ROOT / "Containerfile")
    assert {name for name, _ in lines} <= {
        *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"),
    }
    images = [text for name, text in lines if name == "FROM"]
    assert images[0].removesuffix(" AS build") == images[1]
    said = " ".join(text for _, text in lines)
    venv = re.search(r"python -m venv (\S+) && \1/bin/python -m pip install \S+ \S+ \.", said)[1]
    assert f"--from=build {venv} {venv}" in said
    assert f"PATH={venv}/bin:$PATH" in said
    user = dict(lines)["USER"]
    assert re.search(rf"useradd \S+ --uid \d+ {user}\b", said)
    assert user != "root"
    order = [name for name, _ in lines]
    assert order.index("USER") > max(i for i, name in enumerate(order) if name == "RUN")
    # What `--since` calls is there.
    assert re.search(r"apt-get install [^&]*\bgit\b", said)
    assert json.loads(dict(lines)["ENTRYPOINT"]) == ["detlab"]
    ran = subprocess.run([Path(sys.executable).with_name("detlab"), *json.loads(dict(lines)["CMD"])], timeout=60)
    assert ran.returncode == 0
