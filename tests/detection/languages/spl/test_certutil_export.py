"""security_content's detection of certutil exporting a key, on the events that its authors exported from Splunk."""

from pathlib import Path

import pytest

from harness.detection.content import read_content
from harness.detection.language import Settings
from harness.run import Bench
from harness.run_options import RunOptions

SHARED = Path(__file__).parents[5] / "shared"
EVENTS = SHARED / "samples" / "certutil_sysmon1_security4688.raw"
RULE = SHARED / "corpora" / "spl" / "security_content" / "certutil_exe_certificate_extraction.spl"
MACROS = SHARED / "corpora" / "spl" / "macros.json"

COMPUTER = "win-dc-791937.attackrange.local"
PROGRAM = "C:\\Windows\\System32\\certutil.exe"
SHELL = "C:\\Windows\\System32\\cmd.exe"
EXPORTS = (
    # process id, when Sysmon wrote it, when Windows wrote it, what was typed
    (520, "15:42:54", "15:42:54", "certutil.exe  -exportPFX powershellcert.pfx "),
    (1528, "15:41:24", "15:41:24", "certutil.exe  -exportPFX powershellcert.pfx -?"),
    (2884, "15:39:04", "15:39:04", 'certutil.exe  -privatekey -exportpfx "powershell" powershellcert.pfx '),
    (2892, "15:40:52", "15:40:52", "certutil.exe  -exportpfx  powershellcert.pfx "),
    (4560, "15:42:44", "15:42:44", "certutil.exe  -exportPFX powershellcert.pfx -p"),
    (4916, "15:42:59", "15:42:59", "certutil.exe  -p -exportPFX powershellcert.pfx "),
    (4964, "15:39:21", "15:39:21", "certutil.exe  -privatekey -exportpfx  powershellcert.pfx "),
    (5208, "15:41:01", "15:41:01", "certutil.exe  -exportPFX  powershellcert.pfx "),
    (5812, "15:43:12", "15:43:12", "certutil.exe  -p password1234 -exportPFX powershellcert.pfx "),
    (5904, "15:41:09", "15:41:09", "certutil.exe  -exportPFX powershellcert.pfx "),
    (5980, "15:35:39", "15:35:38", "certutil.exe  -exportPFX powershellcert.pfx"),
)


def as_sysmon_says(process: int, typed: str) -> tuple[str, ...]:
    return ("Administrator", '"C:\\Windows\\system32\\cmd.exe" ', typed, str(process), "5884")


def as_windows_says(process: int, typed: str) -> tuple[str, ...]:
    return ("administrator", SHELL, f"{PROGRAM} {typed}", f"{process:#x}", "0x16fc")


@pytest.mark.skipif(not EVENTS.exists(), reason="the sample events are not beside this checkout")
def test_every_export_is_found_once_in_each_log_with_all_its_columns():
    settings = read_content([MACROS]).settings(Settings())
    with Bench(RunOptions(settings=settings)) as bench:
        answer = bench.query(RULE, [EVENTS])
    expected = []
    for process, sysmon, windows, typed in EXPORTS:
        for time, said in ((sysmon, as_sysmon_says(process, typed)), (windows, as_windows_says(process, typed))):
            user, parent, command, own, above = said
            at = f"2021-01-07T{time}"
            expected.append((COMPUTER, user, parent, "cmd.exe", "certutil.exe", command, own, above, 1.0, at, at))
    assert answer.rows.columns == (
        *("dest", "user", "parent_process", "parent_process_name", "process_name", "process", "process_id"),
        *("parent_process_id", "count", "firstTime", "lastTime"),
    )
    assert sorted(answer.rows.rows) == sorted(expected)
