"""Plans that are kept: read back as they were, and never from a file that is damaged, foreign or of another version."""

import os
from pathlib import Path

import pytest

from harness import kept_files
from harness.detection import kept_plans
from harness.detection.kept_plans import KeptPlan, PlanCache, find_plan_folder
from harness.detection.language import Settings, language
from harness.detection.plan.expressions import Kind
from harness.detection.plan.filter_json import decode_filter_plan, encode_filter_plan
from harness.detection.plan.nodes import is_same_plan
from harness.diagnostics import Source

PLAN = KeptPlan(steps=[["filter", ["'", True]]], raw=True, deviations=2)
COLUMNS = {"Image": Kind.TEXT, "EventCode": Kind.TEXT, "_time": Kind.NUMBER, "Data": Kind.LIST}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "plans" / "version"


def keep(folder: Path, rule: str = "rule") -> Path:
    cache = PlanCache(folder)
    cache.add("over", rule, PLAN)
    cache.save()
    return folder / "over.json"


def test_a_plan_is_there_in_the_next_run(folder):
    keep(folder)
    assert PlanCache(folder).plans("over") == {"rule": PLAN}
    keep(folder, "another")
    assert set(PlanCache(folder).plans("over")) == {"rule", "another"}
    assert PlanCache(folder).plans("other") == {}


def test_without_a_folder_nothing_is_kept(tmp_path):
    cache = PlanCache(None)
    cache.add("over", "rule", PLAN)
    cache.save()
    assert cache.plans("over") == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 32, b"x" * 32 + b"{}", b"\x00" * 500])
def test_a_damaged_file_counts_as_none(folder, content):
    keep(folder).write_bytes(content)
    assert PlanCache(folder).plans("over") == {}


@pytest.mark.parametrize("body", ["[" * 100_000, '{"rule": {"steps": 7}}', '{"rule": 1}', "\udcff"])
def test_a_file_that_is_whole_but_says_something_else_counts_as_none(folder, body):
    data = body.encode("utf-8", "surrogateescape")
    keep(folder).write_bytes(kept_plans.hashlib.sha256(data).digest() + data)
    assert PlanCache(folder).plans("over") == {}


def test_one_bit_that_is_wrong_spoils_a_file(folder):
    path = keep(folder)
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)
    assert PlanCache(folder).plans("over") == {}


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes of files are POSIX's")
def test_what_others_may_write_is_not_read(folder):
    path = keep(folder)
    path.chmod(0o666)
    assert PlanCache(folder).plans("over") == {}
    path.chmod(0o600)
    folder.chmod(0o777)
    assert PlanCache(folder).folder is None


def test_a_link_is_not_followed(folder, tmp_path):
    path = keep(folder)
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    assert PlanCache(folder).plans("over") == {}


def test_the_oldest_files_go_first(folder):
    old = folder.parent / "before"
    old.mkdir(parents=True)
    (old / "x.json").write_bytes(b"x" * 1000)
    os.utime(old / "x.json", (1, 1))
    kept = keep(folder)
    kept_files.remove_oldest(folder, 900)
    assert kept.exists()
    assert not old.exists()


def test_a_file_begins_anew_when_it_holds_too_many(folder, monkeypatch):
    keep(folder)
    monkeypatch.setattr(kept_plans, "MOST_PLANS", 1)
    keep(folder, "another")
    assert set(PlanCache(folder).plans("over")) == {"another"}


def test_the_folder_is_where_the_system_keeps_caches_and_of_this_version(monkeypatch, tmp_path):
    monkeypatch.setattr(kept_files.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_plan_folder().parent == tmp_path / "detlab" / "plans"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_plan_folder().parent == tmp_path / ".cache" / "detlab" / "plans"
    before = find_plan_folder().name
    monkeypatch.setattr(kept_plans, "__version__", "0.0.0")
    assert find_plan_folder().name != before


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("spl", 'Image="*\\\\cmd.exe" NOT (EventCode IN (1, 3) OR Data="*x*") | where match(Image, "^c")'),
        ("spl", 'EventCode=1 | rex field=Image "(?<name>c.d)" | search name=cmd'),
        ("cql", "Image=/cmd\\.exe$/i EventCode=1 | Data!=x"),
    ],
)
def test_a_plan_is_the_same_after_it_was_kept(suffix, text):
    plan = language(suffix).parse(Source("rule", text)).plan(COLUMNS, Settings()).node
    steps = encode_filter_plan(plan)
    again = decode_filter_plan(steps, COLUMNS)
    assert encode_filter_plan(again) == steps
    assert len(steps) >= 1
    assert is_same_plan(decode_filter_plan(encode_filter_plan(again), COLUMNS), again)


@pytest.mark.parametrize(
    "steps", [[["drop", []]], [["filter", ["no_operation", 1]]], [["filter", []]], [[]], [["derive", [[1, ["'", 1]]]]]]
)
def test_what_is_no_plan_is_refused(steps):
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode_filter_plan(steps, {})
