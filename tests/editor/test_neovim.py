"""Neovim itself, without a screen, with the settings that docs/editor.md gives."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.more
NEOVIM = shutil.which("nvim")
RULE = 'sourcetype="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational" EventCode=3\n| stats count by host\n'
STATE = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


@pytest.mark.skipif(NEOVIM is None, reason="Neovim is not installed (Debian: neovim)")
def test_neovim_shows_findings_the_manual_and_completion_and_mends(tmp_path):
    rule, seen = tmp_path / "rule.spl", tmp_path / "seen.json"
    rule.write_text(RULE, encoding="utf-8")
    places = {
        "DETLAB_RULE": str(rule),
        "DETLAB_SEEN": str(seen),
        "DETLAB_COMMAND": str(Path(sys.executable).with_name("detlab")),
        # Nobody's own settings, plug-ins or state.
        **{name: str(tmp_path / name) for name in STATE},
    }
    script = Path(__file__).with_name("session.lua")
    arguments = [NEOVIM, "--headless", "--clean", "-n", "-c", f"luafile {script}"]
    ended = subprocess.run(arguments, env={**os.environ, **places}, capture_output=True, text=True, timeout=300)
    found = json.loads(seen.read_text("utf-8"))
    assert "error" not in found, (found, ended.stderr)
    assert ended.returncode == 0
    assert ["renamed-sourcetype", 0, 0] in found["findings"]
    assert "One row for each combination of BY fields" in found["manual"]
    assert found["offered"] == "stats"
    assert 'source="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"' in found["text"]
    assert found["left"] < len(found["findings"])
