"""Atomic Red Team's YAML: what is accepted, what is refused and where, and what the commands become."""

from pathlib import Path

import pytest

from harness.diagnostics import HarnessError, Source, SourceError
from harness.scenario.atomic import parse_atomics, parse_each_atomic, read_atomics
from harness.scenario.atomic_command import render_atomic
from harness.scenario.atomic_library import Library
from harness.scenario.atomic_warnings import list_atomic_warnings
from harness.scenario.command_prompt import choose_form

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "samples" / "dev"
needs_samples = pytest.mark.skipif(not SHARED.is_dir(), reason="the sample library is not on this machine")

TEST = """\
attack_technique: T1059.001
display_name: PowerShell
atomic_tests:
- name: Copy a file
  auto_generated_guid: 0f7c5301-6859-45ba-8b4d-1fac30fc31ed
  description: Copies a file.
  supported_platforms:
  - windows
  input_arguments:
    source:
      description: What is copied
      type: path
      default: PathToAtomicsFolder\\T1059.001\\#{arch}.exe
    arch:
      description: Architecture
      type: string
      default: x64
    times:
      description: How often
      type: integer
      default: 0x10
    wait:
      description: Pause
      type: float
      default: 1.50
    note:
      description: A remark
      type: string
      default:
  dependency_executor_name: command_prompt
  dependencies:
  - description: "#{source} must be there"
    prereq_command: if exist "#{source}" (exit 0) else (exit 1)
    get_prereq_command: copy seed.exe "#{source}"
  executor:
    name: powershell
    elevation_required: true
    command: |
      Copy-Item "$PathToAtomicsFolder\\a.txt" "#{source}"
      1..#{times} | ForEach-Object { Start-Sleep #{wait} }  # '#{note}'
    cleanup_command: Remove-Item "#{source}"
"""


def only(text):
    (atomic,) = parse_atomics(Source("T1059.001.yaml", text))
    return atomic


def refusal(text):
    with pytest.raises(SourceError) as caught:
        parse_atomics(Source("T1059.001.yaml", text))
    return caught.value


@needs_samples
def test_every_file_of_the_library_loads_and_every_command_renders():
    atomics = list(Library((SHARED / "atomics",)).read())
    assert len({a.technique for a in atomics}) == 269
    assert len(atomics) == 1581
    texts = [c.text for a in atomics for _, c in render_atomic(a, folder="F:").commands()]
    assert len(texts) == 3815
    assert [t for t in texts if "#{" in t or "pathtoatomicsfolder" in t.lower()] == []
    assert (
        sum(1 for a in atomics if a.manual and render_atomic(a).steps and not list(render_atomic(a).commands())) == 13
    )


@needs_samples
@pytest.mark.parametrize(
    ("name", "code", "place"),
    [
        ("elevation_required_but_not_provided.yaml", "elevation", "12:7"),
        ("empty_dependency_executor_name.yaml", "wrong-type", "20:28"),
        ("empty_input_arguments.yaml", "wrong-type", "10:19"),
        ("extra_forbidden.yaml", "technique-id", "1:19"),
        ("float_type.yaml", "argument-type", "14:16"),
        ("int_parsing.yaml", "argument-type", "14:16"),
        ("invalid_filename.yml", "file-name", "1:1"),
        ("missing_input_argument.yaml", "unknown-argument", "12:8"),
        ("reused_guid.yaml", "reused-guid", "21:24"),
        ("string_pattern_mismatch.yaml", "technique-id", "1:19"),
        ("url_parsing.yaml", "argument-type", "14:16"),
    ],
)
def test_what_the_library_refuses_is_refused_with_its_line(name, code, place):
    with pytest.raises(SourceError) as caught:
        read_atomics(SHARED / "atomics_invalid" / name, name=name)
    assert (caught.value.code, str(caught.value.span)) == (code, f"{name}:{place}")


@needs_samples
@pytest.mark.parametrize(
    ("name", "code", "place"),
    [
        ("string_too_short.yaml", "too-short", "2:15"),
        ("unused_input_argument.yaml", "unused-argument", "15:5"),
        ("invalid_dependency_executor_name.yaml", "needless-field", "20:3"),
    ],
)
def test_what_is_only_cosmetic_is_a_warning(name, code, place):
    (atomic, *_) = read_atomics(SHARED / "atomics_invalid" / name, name=name)
    warning = next(w for w in list_atomic_warnings(atomic) if w.code == code)
    assert (warning.severity, warning.code, str(warning.span)) == ("warning", code, f"{name}:{place}")


PROMPT = """\
attack_technique: T1059.003
display_name: Windows Command Shell
atomic_tests:
- name: A test of the prompt
  description: Says a word.
  supported_platforms: [windows]
  executor:
    name: SHELL
    command: |
"""


@pytest.mark.parametrize(
    ("shell", "rows", "codes"),
    [
        ("command_prompt", ["whoami", "net user"], []),
        ("command_prompt", ["for %%f in (a b) do echo %%f"], ["percent"]),
        ("command_prompt", ["for %%f in (a b) do echo %%f", "echo x"], []),
        ("command_prompt", ["for %%f in (a) do echo %%f", "for %g in (b) do echo %g"], ["percent"]),
        ("command_prompt", ["for %g in (b) do echo %g", "goto end", ":end"], ["label"]),
        ("command_prompt", ["rem first", "setup.bat /s", "whoami"], ["uncalled-batch"]),
        ("command_prompt", ["rem first", "call setup.bat /s", "whoami"], []),
        ("command_prompt", ["pause"], ["interactive"]),
        ("command_prompt", ["set /p x=say: "], ["interactive"]),
        ("command_prompt", ["set /p x=<a.txt"], []),
        ("command_prompt", ["shutdown /r /t 0"], ["reboot"]),
        ("command_prompt", ["shutdown /a"], []),
        ("command_prompt", ["schtasks /create /tn a /tr b /sc onlogon"], ["needs-logon"]),
        ("powershell", ["$a = Read-Host"], ["interactive"]),
        ("powershell", ["Restart-Computer"], ["reboot"]),
        ("powershell", ["pause-it; Set-ItemProperty HKCU:\\Software\\Microsoft\\Windows\\CurrentVersion\\Run a b"],
         ["needs-logon"]),
    ],
)  # fmt: skip
def test_what_does_not_run_as_it_looks_is_told(shell, rows, codes):
    atomic = only(PROMPT.replace("SHELL", shell) + "".join(f"      {row}\n" for row in rows))
    found = list(list_atomic_warnings(atomic))
    assert [w.code for w in found] == codes
    assert all(w.span.source.position(w.span.start)[0] >= 9 for w in found)


@pytest.mark.parametrize(
    ("rows", "form"),
    [
        (["whoami", "net user"], "joined"),
        (["for /f %i in (a) do echo %i"], "joined"),
        (["if exist a del a"], "joined"),
        (["rem x", "whoami"], "batch"),
        (["REM", "whoami"], "batch"),
        (["remove.exe", "whoami"], "joined"),
        (["whoami", ":: x", "net user"], "batch"),
        (["if exist a (", "del a", ")"], "batch"),
        (["if exist a del a", "whoami"], "batch"),
        (["reg add HKCU\\A ^", "/f"], "batch"),
        (["echo a^^", "whoami"], "joined"),
        (["echo a^ ", "whoami"], "joined"),
        (["for %%i in (a) do echo %%i", "whoami"], "batch"),
        (["for %i in (a) do echo %i", "whoami"], "typed"),
        (["curl http://127.0.0.1/a%20b", "whoami"], "typed"),
        (["set x=1", "echo %x%"], "batch"),
        (["set x=1", "echo %temp%"], "joined"),
        (["call :a", "exit /b", ":a", "whoami"], "batch"),
        (['echo "(" & echo ^(', "whoami"], "joined"),
    ],
)
def test_lines_are_joined_only_where_that_says_the_same(rows, form):
    assert choose_form("\n".join(rows) + "\n") == form


def test_a_test_that_cannot_be_read_leaves_the_others_of_its_file():
    text = PROMPT.replace("SHELL", "command_prompt") + "      whoami\n"
    bad = text.partition("atomic_tests:\n")[2].replace("supported_platforms", "platforms")
    worse = text.partition("atomic_tests:\n")[2].replace("whoami", "echo #{word}")
    first, second, third, last = parse_each_atomic(
        Source("a.yaml", text + bad + worse + text.partition("atomic_tests:\n")[2])
    )
    assert (first.number, last.number) == (1, 4)
    assert (second.code, third.code) == ("unknown-field", "unknown-argument")


def test_arguments_are_filled_in_as_they_are_written():
    rendered = render_atomic(only(TEST))
    assert rendered.command.text == (
        'Copy-Item "C:\\AtomicRedTeam\\atomics\\a.txt" "C:\\AtomicRedTeam\\atomics\\T1059.001\\x64.exe"\n'
        "1..0x10 | ForEach-Object { Start-Sleep 1.50 }  # ''\n"
    )
    assert rendered.cleanup.text == 'Remove-Item "C:\\AtomicRedTeam\\atomics\\T1059.001\\x64.exe"'
    assert rendered.prerequisites[0].description == "C:\\AtomicRedTeam\\atomics\\T1059.001\\x64.exe must be there"
    assert rendered.prerequisites[0].check.shell == "command_prompt"
    assert rendered.prerequisites[0].get.text == 'copy seed.exe "C:\\AtomicRedTeam\\atomics\\T1059.001\\x64.exe"'


def test_a_given_value_reaches_defaults_that_name_it():
    rendered = render_atomic(only(TEST), {"arch": "arm64", "times": 3}, folder="D:\\a$1\\b")
    assert rendered.arguments["source"] == "D:\\a$1\\b\\T1059.001\\arm64.exe"
    assert rendered.arguments["times"] == "3"


def test_a_given_value_is_not_read_for_placeholders():
    rendered = render_atomic(only(TEST), {"note": "#{arch}"}, raw=frozenset({"note"}))
    assert "# '#{arch}'" in rendered.command.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sorce": "x"}, "T1059.001-1 has no argument `sorce`\n  = help: did you mean `source`?"),
        ({"times": "5; calc"}, "the value of `times` for T1059.001-1 is not a whole number"),
        ({"wait": "soon"}, "the value of `wait` for T1059.001-1 is not a number"),
        (
            {"source": 'a" | calc'},
            'the value of `source` for T1059.001-1 holds " |, which can change what the command is',
        ),
        ({"source": "a\r\ncalc"}, r"the value of `source` for T1059.001-1 holds \n \r, which can"),
        ({"note": "it\u2019s"}, r"the value of `note` for T1059.001-1 holds \u2019, which can"),
    ],
)
def test_a_given_value_cannot_leave_its_place(given, message):
    with pytest.raises(HarnessError) as caught:
        render_atomic(only(TEST), given)
    assert message in str(caught.value)


def test_a_space_is_refused_only_outside_quotes():
    assert (
        '"C:\\Program Files\\a.exe"' in render_atomic(only(TEST), {"source": "C:\\Program Files\\a.exe"}).command.text
    )
    bare = TEST.replace('Remove-Item "#{source}"', "'Remove-Item #{source}'")
    with pytest.raises(HarnessError, match="holds space"):
        render_atomic(only(bare), {"source": "C:\\Program Files\\a.exe"})


def test_defaults_that_lead_back_to_themselves_are_refused():
    atomic = only(TEST.replace("default: x64", "default: '#{source}'"))
    with pytest.raises(SourceError) as caught:
        render_atomic(atomic)
    assert (caught.value.code, str(caught.value.span)) == ("circular-argument", "T1059.001.yaml:13:16")


def test_defaults_that_grow_without_end_are_refused():
    arguments = "".join(
        f"    a{i}:\n      description: x\n      type: string\n      default: '{('#{a' + str(i + 1) + '}') * 40}'\n"
        for i in range(9)
    )
    text = TEST.replace(
        "    arch:\n", arguments + "    a9:\n      description: x\n      type: string\n      default: abc\n    arch:\n"
    )
    text = text.replace("'#{note}'", "'#{note}#{a0}'")
    with pytest.raises(HarnessError) as caught:
        render_atomic(only(text))
    assert caught.value.code == "command-too-long"


@pytest.mark.parametrize(
    ("before", "after", "code", "place"),
    [
        ("name: Copy a file", "name: ''", "too-short", "4:9"),
        ("0f7c5301-6859", "0f7c5301", "guid", "5:24"),
        ("- windows", "- dos", "unknown-value", "8:5"),
        ("type: path", "type: folder", "unknown-value", "12:13"),
        ("type: path", "type: PATH", "unknown-value", "12:13"),
        ("default: x64", "default: 64", "argument-type", "17:16"),
        ("name: powershell", "name: perl", "unknown-value", "36:11"),
        ("name: powershell", "name: manual", "missing-field", "36:11"),
        ("    arch:\n", "    arhc:\n", "unknown-argument", "13:46"),
        ("arch", "a", "argument-name", "14:5"),
    ],
)
def test_a_broken_test_is_refused_at_its_place(before, after, code, place):
    error = refusal(TEST.replace(before, after))
    assert (error.code, str(error.span)) == (code, f"T1059.001.yaml:{place}")


@needs_samples
def test_tests_are_addressed_by_technique_number_guid_and_name():
    library = Library((SHARED / "atomics",))
    assert [a.name for a in library.find("t1053.005-1,3")] == ["T1053.005-1", "T1053.005-3"]
    assert [a.name for a in library.find("T1053.005#2")] == ["T1053.005-2"]
    assert [a.name for a in library.find("FEC27F65-db86-4c2d-b66c-61945aee87c2")] == ["T1053.005-1"]
    assert [a.name for a in library.find("scheduled task local")] == ["T1053.005-2"]
    assert len(library.find("T1053.005")) == 12
    with pytest.raises(HarnessError, match=r"T1053\.005 has tests 1 to 12, not 13"):
        library.find("T1053.005-13")
    with pytest.raises(HarnessError, match="did you mean `Scheduled task Local`"):
        library.find("Scheduled task Locl")


def test_the_published_tests_default_to_the_published_values():
    one, two, three, four = Library((ROOT / "scenarios",)).find("T1583.004")
    beacon = render_atomic(one, {"run": "0f1e2d3c"}).command.text
    assert beacon.startswith('powershell.exe -NoProfile -Command "1..5 | ')
    assert "Start-Sleep -Seconds 30 }" in beacon
    assert "-UserAgent 'detlab/0f1e2d3c' -Uri 'http://127.0.0.1:8888/'" in beacon
    assert len(render_atomic(two).arguments["domains"].split(",")) == 5
    assert render_atomic(three).arguments == {"server": "127.0.0.1", "ports": "4444,8080,8443"}
    assert 'schtasks.exe /Create /F /SC MINUTE /MO 30 /TN "WindowsNetworkHealth"' in render_atomic(four).command.text
    assert 'schtasks.exe /Delete /TN "WindowsNetworkHealth" /F' in render_atomic(four).cleanup.text


def test_a_published_test_takes_another_server():
    one = Library((ROOT / "scenarios",)).find("T1583.004-1")[0]
    assert "http://203.0.113.10:8888/" in render_atomic(one, {"server": "203.0.113.10"}).command.text
    with pytest.raises(HarnessError, match="is not a URL, a domain or an address"):
        render_atomic(one, {"server": "127.0.0.1'; calc; '"})
