"""Folders for what is thrown away are gone when their process is, whatever system it runs on."""

import fcntl
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from harness import scratch_folder
from harness.scratch_folder import ScratchFolder

PREFIX = "detlab-test-"


@pytest.fixture(params=["linux", "win32"])
def system(request, monkeypatch):
    """This system, or one with the locks of Windows, which are taken by other names."""
    monkeypatch.setattr(sys, "platform", request.param)
    locks = SimpleNamespace(
        LK_NBLCK=2, locking=lambda number, _, __: fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    )
    monkeypatch.setattr(scratch_folder, "msvcrt", locks, raising=False)
    return request.param


def test_a_folder_goes_with_its_lock(system, tmp_path):
    made = ScratchFolder(PREFIX, tmp_path)
    (made.path / "spilled").write_text("x")
    made.remove()
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_in_use_stays(system, tmp_path):
    kept = ScratchFolder(PREFIX, tmp_path)
    other = ScratchFolder(PREFIX, tmp_path)
    assert kept.path.is_dir()
    other.remove()
    kept.remove()


def test_that_of_a_killed_process_is_removed_by_the_next(system, tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from harness.scratch_folder import ScratchFolder\n"
        f"made = ScratchFolder({PREFIX!r}, Path(sys.argv[1])); (made.path / 'x').write_text('x')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    left = [p.name for p in tmp_path.iterdir()]
    assert len(left) == 2
    made = ScratchFolder(PREFIX, tmp_path)
    assert not {p.name for p in tmp_path.iterdir()} & set(left)
    made.remove()


def test_windows_closes_a_lock_before_it_removes_it(system, tmp_path, monkeypatch):
    order = []
    close, unlink = os.close, scratch_folder.Path.unlink
    made = ScratchFolder(PREFIX, tmp_path)
    monkeypatch.setattr(scratch_folder.os, "close", lambda number: (order.append("close"), close(number)))
    monkeypatch.setattr(scratch_folder.Path, "unlink", lambda p, **o: (order.append("unlink"), unlink(p, **o)))
    made.release()
    assert order == (["close", "unlink"] if system == "win32" else ["unlink", "close"])
