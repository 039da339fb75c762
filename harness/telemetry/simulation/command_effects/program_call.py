"""The programs and cmdlets that a command's text calls, with their options and the files that they write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.lab.command_words import CommandWord, split_commands
from harness.telemetry.lab.network_programs import words
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.process_tree import SYSTEM32

# What cmd.exe does itself; a file of the same name would have to be called with its ending.
PROMPT_COMMANDS = words(
    "assoc break call cd chdir cls color copy date del dir echo endlocal erase exit for ftype goto if md mkdir"
    " mklink move path pause popd prompt pushd rd rem ren rename rmdir set setlocal shift start time title type"
    " ver verify vol"
)
# Words of PowerShell's language, which begin no call.
SCRIPT_WORDS = words(
    "if else elseif foreach for while do switch function param try catch finally return throw begin process end"
    " in not exit break continue trap"
)
# What a script calls by its bare name; any other bare word may be a function, a property, a key of a table.
PROGRAMS_OF_WINDOWS = words(
    "arp at attrib auditpol bcdedit bitsadmin certreq certutil cipher cmd cmdkey cmstp control cscript dism"
    " driverquery dsquery esentutl expand extrac32 find findstr fltmc forfiles fsutil ftp gpresult gpupdate hh"
    " hostname icacls ieexec installutil ipconfig klist logman makecab mavinject mmc mofcomp msbuild mshta msiexec"
    " nbtstat net net1 netsh netstat nltest notepad nslookup ntdsutil odbcconf openfiles pcalua ping pnputil"
    " powershell powercfg presentationhost pwsh qprocess query quser qwinsta rasautou reg regasm regedit regini"
    " regsvcs regsvr32 robocopy route rundll32 runas sc schtasks sdbinst setspn setx shutdown subst"
    " syncappvpublishingserver systeminfo takeown tasklist taskkill telnet tracert tree vaultcmd vssadmin w32tm"
    " wbadmin wevtutil where whoami winrm winrs wmic wscript wsl wusa xcopy"
)
CMDLET = late_pattern(r"[a-z]+-[a-z]\w*", re.I)
PROGRAM = late_pattern(r"(?:[A-Za-z]:)?[\w .()\\/~+-]*[\w)]", re.ASCII)
PROMPT_PART = late_pattern(r'(?:"[^"\n]*"|\^.|[^&|\n"^])+|"')
"""A command of a batch: quotes and carets keep what they hold."""
HANDLE = late_pattern(r"(?<=\s)[0-9](?=>)")
"""The number of a handle before a redirection, which is no word."""
OUTPUT = late_pattern(r"(?<![0-9&>])>{1,2}[ \t]*(\"[^\"\n]+\"|[^\s|&;<>\"]+)")
# Aliases that an atomic calls in place of the cmdlet.
CMDLET_ALIASES: Mapping[str, str] = {
    "iwr": "invoke-webrequest", "wget": "invoke-webrequest", "irm": "invoke-restmethod", "iex": "invoke-expression",
    "ni": "new-item", "sp": "set-itemproperty", "cp": "copy-item", "copy": "copy-item", "mv": "move-item",
    "mi": "move-item", "curl": "invoke-webrequest",
    "sc": "set-content", "ac": "add-content", "saps": "start-process", "start": "start-process", "rni": "rename-item",
}  # fmt: skip
SYSTEM_FOLDERS: Mapping[str, str] = {
    "powershell": rf"{SYSTEM32}\WindowsPowerShell\v1.0",
    "wmic": rf"{SYSTEM32}\wbem",
    "explorer": r"C:\Windows",
    "regedit": r"C:\Windows",
    "notepad": SYSTEM32,
    "installutil": r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319",
    "csc": r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319",
    "msbuild": r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319",
    "regasm": r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319",
    "regsvcs": r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319",
}
"""Programs of Windows that are not in System32 itself."""


@record(kw_only=True)
class ProgramCall:
    """One call: what is called in lower case (without folder and .exe), where it lies, its words, what `>` writes.

    `image` is None for what a shell does itself, cmdlets among them; `called` and `arguments` are as they are written.
    """

    name: str
    image: str | None
    words: tuple[str, ...]
    called: str
    arguments: str
    outputs: tuple[str, ...] = ()

    @property
    def written(self) -> str:
        """The call as it is written."""
        return f"{self.called} {self.arguments}".rstrip()

    def option(self, *names: str) -> str:
        """The word behind one of these options (`/v`, `-Path`), or what follows its colon or `=`; nothing without."""
        for at, word in enumerate(self.words):
            bare = word.lower().lstrip("/-")
            for name in names:
                if word[:1] in "/-" and bare == name:
                    return self.words[at + 1] if at + 1 < len(self.words) else ""
                if word[:1] in "/-" and bare.startswith((f"{name}:", f"{name}=")):
                    return word.lstrip("/-")[len(name) + 1 :]
        return ""

    def has(self, *names: str) -> bool:
        """Whether one of these options is there."""
        return any(w.lower().lstrip("/-") in names for w in self.words if w[:1] in "/-")

    @property
    def plain(self) -> tuple[str, ...]:
        """The words that are no options."""
        return tuple(w for w in self.words if w[:1] not in "/-")


def expand_environment(host: Host, text: str) -> str:
    """A text with the variables of Windows' environment replaced, in either shell's spelling."""
    home = rf"C:\Users\{host.user.name}"
    known = {
        "temp": rf"{home}\AppData\Local\Temp", "tmp": rf"{home}\AppData\Local\Temp", "windir": r"C:\Windows",
        "systemroot": r"C:\Windows", "userprofile": home, "homepath": rf"\Users\{host.user.name}", "homedrive": "C:",
        "public": r"C:\Users\Public", "appdata": rf"{home}\AppData\Roaming", "localappdata": rf"{home}\AppData\Local",
        "programdata": r"C:\ProgramData", "allusersprofile": r"C:\ProgramData", "systemdrive": "C:",
        "programfiles": r"C:\Program Files", "comspec": rf"{SYSTEM32}\cmd.exe", "username": host.user.name,
        "computername": host.name, "userdomain": host.netbios_domain, "logonserver": rf"\\{host.netbios_domain}",
    }  # fmt: skip
    pattern = r"%(\w+)%|\$\{?env:(\w+)\}?"
    return re.sub(pattern, lambda m: known.get((m[1] or m[2]).lower(), m[0]), text, flags=re.I)


def list_calls(host: Host, text: str, *, script: bool) -> Iterator[ProgramCall]:
    """The calls of a text in its order; `script` for one of PowerShell."""
    clean = HANDLE.sub(" ", text)
    for found, written in split_script(clean) if script else split_prompt(clean):
        call = read_call(host, found, script=script)
        if call is not None:
            files = (f.strip('"') for f in OUTPUT.findall(written))
            outputs = tuple(expand_environment(host, f) for f in files if f.lower() not in ("nul", "$null"))
            yield replace(call, outputs=outputs)


def split_script(text: str) -> Iterator[tuple[list[CommandWord], str]]:
    """The commands of a script, each with the text that it stands in."""
    start = 0
    for command in split_commands(text):
        yield list(command.words), text[start : command.end]
        start = command.end


def split_prompt(text: str) -> Iterator[tuple[list[CommandWord], str]]:
    """The commands of a batch: up to `&`, `|` or the end of a line, outside of quotes."""
    for part in PROMPT_PART.findall(text):
        written = part.strip().lstrip("@(").strip()
        # Only what closes a group that was opened before is none of the command's own.
        while written.endswith(")") and written.count(")") > written.count("("):
            written = written[:-1].rstrip()
        bare, at, found = OUTPUT.sub(" ", written), 0, []
        while at < len(bare):
            if bare[at].isspace() or bare[at] in "<>":
                at += 1
                continue
            end = at
            while end < len(bare) and not bare[end].isspace():
                end = bare.find('"', end + 1) if bare[end] == '"' and '"' in bare[end + 1 :] else end
                end += 1
            piece = bare[at:end]
            found.append(CommandWord(piece.replace('"', ""), piece))
            at = end
        if found:
            yield found, written


def read_call(host: Host, found: list[CommandWord], *, script: bool) -> ProgramCall | None:
    """What the words of a command call; None where it is none that can be told: an assignment, a word of a language."""
    # `& "C:\x.exe"` and `call x` call what stands behind.
    while found[0].value in ("&", ".", "@", "call") and len(found) > 1:
        found = found[1:]
    first = expand_environment(host, found[0].value.lstrip("@"))
    name = first.replace("/", "\\").rpartition("\\")[2].lower()
    call = ProgramCall(
        name=name,
        image=None,
        words=tuple(expand_environment(host, w.value) for w in found[1:]),
        called=found[0].written.lstrip("@"),
        arguments=" ".join(w.written for w in found[1:]),
    )
    if script and (name in SCRIPT_WORDS or first[:1] in "$[#'\"" or not first):
        return None
    if script and (name in CMDLET_ALIASES or CMDLET.fullmatch(name)):
        call = replace(call, name=CMDLET_ALIASES.get(name, name))
        return start_by_cmdlet(host, call) if call.name == "start-process" else call
    if not script and name in PROMPT_COMMANDS:
        return call
    return read_program(host, first, call, script=script)


def read_program(host: Host, first: str, call: ProgramCall, *, script: bool) -> ProgramCall | None:
    """The call of a program, where it is one."""
    bare = call.name.removesuffix(".exe")
    if not PROGRAM.fullmatch(first) or call.arguments[:1] == "=":
        return None
    named = bare != call.name or call.name.endswith((".bat", ".cmd", ".com"))
    if script and not named and bare not in PROGRAMS_OF_WINDOWS:
        return None
    return replace(call, name=bare, image=find_image(host, first))


def start_by_cmdlet(host: Host, call: ProgramCall) -> ProgramCall | None:
    """The program that `Start-Process` starts, with the arguments that it is given."""
    program = call.option("filepath") or next(iter(call.plain), "")
    arguments = call.option("argumentlist", "args").replace(",", " ")
    name = program.replace("/", "\\").rpartition("\\")[2].lower()
    started = ProgramCall(name=name, image=None, words=tuple(arguments.split()), called=program, arguments=arguments)
    return read_program(host, program, started, script=False) if name else None


def find_image(host: Host, called: str) -> str:
    """The path of a program as it is called: its own, else System32's or that of a program of Windows elsewhere."""
    file = called if re.search(r"\.\w{2,4}$", called) else f"{called}.exe"
    if ":" in file:
        return file
    if "\\" in file:
        return rf"C:\Users\{host.user.name}\{file.lstrip('.').lstrip(chr(92))}"
    name = file.lower().removesuffix(".exe")
    return rf"{SYSTEM_FOLDERS.get(name, SYSTEM32)}\{file}"
