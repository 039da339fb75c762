"""What others' CI runs, from start to end: a wheel of this checkout, installed and used in a foreign repository."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as etree

import pytest
import yaml

from tests.packaging.test_distribution import ROOT, build
from tests.report.conftest import write_pack

pytestmark = pytest.mark.more
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB = yaml.safe_load((ROOT / "templates" / "detlab.gitlab-ci.yml").read_text())
REPORTS = ["junit.xml", "page.html", "run.json", "run.sarif"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "-t", "wheel")[0]


@pytest.fixture
def repository(tmp_path):
    """Somebody's repository of rules, with one commit, and a machine on which nothing of detlab is."""
    folder = tmp_path / "rules"
    folder.mkdir()
    write_pack(folder)
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    run_git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "rules")
    return folder


def run_git(folder, *arguments):
    own = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder, message):
    (folder / ".gitignore").write_text("detlab-*\n.detlab-*\n")
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "--message", message)


def environment(folder, **more):
    """The variables of a fresh machine: how packages are reached, and nothing that a developer has set."""
    kept = {k: v for k, v in os.environ.items() if re.match(r"(PIP|SSL|REQUESTS|HTTPS?|NO)_", k, re.I)}
    path = f"{folder.parent / 'bin'}{os.pathsep}/usr/local/bin:/usr/bin:/bin"
    return {**kept, "PATH": path, "HOME": str(folder.parent / "home"), "LANG": "C.UTF-8", **more}


class Runner:
    """A runner of GitHub as far as a composite action sees it."""

    def __init__(self, folder, **inputs):
        self.folder, self.temp = folder, folder.parent / "runner"
        self.temp.mkdir(exist_ok=True)
        usual = {name: str(each.get("default", "")) for name, each in ACTION["inputs"].items()}
        self.values = {f"inputs.{n}": v for n, v in {**usual, **inputs}.items()}
        self.values |= {"github.action_path": str(ROOT), "runner.temp": str(self.temp)}
        self.files = {n: self.temp / n for n in ("GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in self.files.values():
            path.write_text("")
        self.log, self.code = "", 0

    def fill(self, text):
        return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda m: self.values[m[1]], text)

    def wants(self, condition):
        """The two conditions that the action has; any other one fails here."""
        if condition == "always()":
            return True
        named = re.fullmatch(r"(inputs\.\w+) != ''", condition) if condition else None
        assert named or not condition
        return self.code == 0 and (named is None or self.values[named[1]] != "")

    def run(self):
        for step in ACTION["runs"]["steps"]:
            if not self.wants(step.get("if", "")):
                continue
            added = self.files["GITHUB_PATH"].read_text().split()
            variables = environment(self.folder, GITHUB_ACTIONS="true", **{n: str(p) for n, p in self.files.items()})
            variables["PATH"] = os.pathsep.join([*reversed(added), variables["PATH"]])
            variables |= {n: self.fill(v) for n, v in step.get("env", {}).items()}
            script = self.temp / "step.sh"
            script.write_text(self.fill(step["run"]))
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
            ran = subprocess.run(
                command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False, timeout=580
            )
            self.log += ran.stdout + ran.stderr
            self.code = self.code or ran.returncode
        return self


def test_the_action_installs_judges_and_reports_in_a_foreign_repository(repository, wheel):
    inputs = {"version": str(wheel), "python": sys.executable, "paths": ".", "lint": "server.spl\n", "cache": "true"}
    ran = Runner(repository, **inputs).run()
    assert ran.code == 0, ran.log
    folder = repository / "detlab-report"
    assert sorted(p.name for p in folder.iterdir()) == ["junit.xml", "lint.sarif", *REPORTS[1:]]
    assert "folder=detlab-report\n" in ran.files["GITHUB_OUTPUT"].read_text()
    assert json.loads((folder / "run.json").read_text())["summary"]["verdicts_cached"] == 0

    # A pull request that makes the rule blind is red on the rule's line; what it does not touch is not judged again.
    rule = repository / "server.spl"
    rule.write_text(rule.read_text().replace("TotalConnections >= 10", "TotalConnections >= 1000"))
    commit(repository, "fewer alerts")
    ran = Runner(repository, **inputs, since="HEAD~1", options="--true-positive\n").run()
    assert ran.code == 1, ran.log
    assert "::error file=server.spl,line=34," in ran.log
    found = json.loads((folder / "run.json").read_text())
    assert found["summary"]["verdicts_differing"] > 0
    assert found["summary"]["verdicts_cached"] > 0
    assert {v["rule"]["path"] for v in found["verdicts"] if not v["cached"]} == {"server.spl"}
    told = [r["ruleId"] for r in json.loads((folder / "run.sarif").read_text())["runs"][0]["results"]]
    assert sorted(told) == ["closed-gap", "gate", "missed-attack"]
    assert int(etree.parse(folder / "junit.xml").getroot().get("failures")) >= found["summary"]["verdicts_differing"]
    assert ran.files["GITHUB_STEP_SUMMARY"].read_text().startswith("## Detection: ")

    # What nobody can judge is 2, as everywhere.
    (repository / "broken.yaml").write_text("title: a\nactivity: malicious\nsimulate: [{behaviour: nothing}]\n")
    assert Runner(repository, **inputs).run().code == 2


def run_gitlab(folder, wheel, **variables):
    """The job's lines in one shell, as a runner of GitLab puts them together."""
    job = GITLAB["detlab"]
    given = {"CI_PROJECT_DIR": str(folder), "DETLAB_INSTALL": str(wheel), "DETLAB_PATHS": ".", **variables}
    named = {**GITLAB["variables"], **job["variables"], **given}
    # Variables that are made of others are expanded before the shell sees them.
    filled = {n: re.sub(r"\$(\w+)", lambda m: str(named[m[1]]), str(v)) for n, v in named.items()}
    lines = ["set -eo pipefail", *job["before_script"], *job["script"]]
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", "\n".join(lines)],
        cwd=folder,
        env=environment(folder, CI="true", **filled),
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )


def test_the_gitlab_job_judges_shards_and_keeps_what_it_says_it_keeps(repository, wheel):
    ran = run_gitlab(repository, wheel)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    job = GITLAB["detlab"]
    kept = [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"], *job["cache"]["paths"]]
    assert [name for name in kept if not (repository / name).exists()] == []
    whole = int(etree.parse(repository / "detlab-junit.xml").getroot().get("tests"))
    assert "from the cache" in " ".join(run_gitlab(repository, wheel).stdout.split())

    tests = 0
    for index in ("1", "2"):
        ran = run_gitlab(repository, wheel, CI_NODE_INDEX=index, CI_NODE_TOTAL="2")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        tests += int(etree.parse(repository / "detlab-junit.xml").getroot().get("tests"))
    assert tests == whole > 0

    rule = repository / "server.spl"
    rule.write_text(rule.read_text().replace("TotalConnections >= 10", "TotalConnections >= 1000"))
    assert run_gitlab(repository, wheel, DETLAB_OPTIONS="--quiet").returncode == 1


def test_both_templates_are_what_their_services_read():
    schemas = {"action.yml": "vendor.github-actions", "templates/detlab.gitlab-ci.yml": "vendor.gitlab-ci"}
    for name, schema in schemas.items():
        check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(ROOT / name)]
        ran = subprocess.run(check, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout


def test_the_hooks_run_under_pre_commit(repository):
    commands = [sys.executable, "-m", "pre_commit"]
    manifest = [*commands, "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")]
    assert subprocess.run(manifest, check=False).returncode == 0
    if not (ROOT / ".git").exists():
        pytest.skip("pre-commit installs hooks from a repository, and this is none")
    own = environment(repository, PRE_COMMIT_HOME=str(repository.parent / "hooks"))
    # One environment for both hooks, of the last commit; `try-repo` would install anew at each call.
    hooks = [{"id": "detlab-lint"}, {"id": "detlab-run", "args": ["."]}]
    chosen = {"repos": [{"repo": str(ROOT), "rev": run_git(ROOT, "rev-parse", "HEAD").strip(), "hooks": hooks}]}
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(chosen))
    commit(repository, "hooks")

    def try_hook(*arguments):
        run = [*commands, "run", *arguments]
        return subprocess.run(run, cwd=repository, env=own, capture_output=True, text=True, check=False, timeout=900)

    ran = try_hook("detlab-lint", "--files", "server.spl")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = try_hook("detlab-lint", "--files", "server.cql")
    assert ran.returncode == 1
    assert "error[" in ran.stdout
    rule = repository / "server.spl"
    rule.write_text(rule.read_text().replace("TotalConnections >= 10", "TotalConnections >= 1000"))
    ran = try_hook("detlab-run", "--hook-stage", "pre-push", "--all-files")
    assert ran.returncode == 1
    assert "DIFFERS" in ran.stdout
