"""The servers that a command names: in URLs, shares, addresses, domains, and as words of programs that talk to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from harness.late_pattern import late_pattern
from harness.telemetry.lab.command_readings import decode_base64, is_encoded_command, list_decoded, list_readings
from harness.telemetry.lab.command_variables import REFERENCE, Variables, read_variables
from harness.telemetry.lab.command_words import CommandWord, SimpleCommand, split_commands
from harness.telemetry.lab.network_programs import (
    INTERPRETERS,
    SERVER_CALLS,
    SERVER_PARAMETERS,
    STARTERS,
    WRITERS,
    NetworkProgram,
    find_network_program,
    name_program,
)
from harness.telemetry.lab.server_name import HOST_NAME, OWN_NAME, is_public_name, parse_address

DEEPEST_TEXT = 6

# Names of .NET, COM and Windows that are also names of the Internet.
PLATFORM_NAMES = frozenset(
    {"system.net", "system.io", "system.security", "system.net.security", "system.media", "system.data", "system.web"}
    | {"system.management", "system.management.automation.host", "system.web.services", "system.drawing.graphics"}
    | {"net.security", "io.path", "security.principal", "drawing.graphics", "management.automation.host"}
    | {"microsoft.net", "microsoft.win32", "microsoft.powershell.security", "microsoft.powershell.management"}
    | {"microsoft.powershell.host", "microsoft.wsman.management", "vb.net", "asp.net", "ado.net"}
    | {"wscript.shell", "adodb.stream", "charset.auto", "intptr.zero"}
)
# What stands before a name that is a file's: a parameter that takes a path, or a language that runs a script.
FILE_POSITION = late_pattern(
    r"(?:-(?:path|literalpath|filepath|destinationpath|childpath|outfile|destination|file)[ \t:]+"
    r"|join-path[ \t]+(?:-path[ \t]+)?[^\s,]+[ \t]+|\b(?:python3?|py|perl|ruby|php)(?:\.exe)?[ \t]+)['\"]?$",
    re.IGNORECASE,
)
# Methods of objects of VBScript, which are called without parentheses, and what stands before such a call.
STATEMENT_START = late_pattern(r"(?:^|[\n:;&|{}\"'])[ \t]*$")
METHODS = frozenset({"run", "open", "call", "save", "read"})
PROGRAMS_OF_WINDOWS = frozenset(
    {"more.com", "mode.com", "tree.com", "chcp.com", "format.com", "command.com", "win.com"}
)
DRIVES = frozenset(
    {"hklm", "hkcu", "hkcr", "hku", "env", "cert", "function", "variable", "alias", "wsman", "registry", "temp"}
)

URL = late_pattern(r"(?<![\w.+-])([a-z][a-z0-9.+-]+):(?:[\\/]{2,})([^\s'\"<>]*)", re.IGNORECASE)
BARE_URL = late_pattern(
    r"(?<![\w.+/-])(?:https?|ftps?|wss?|h[xt]{2}ps?|ldaps?|smb|sftp|tftp|rtsp|tcp|udp|gopher|telnet|ssh|dav|davs):"
    r"(?![\\/]{2})[\\/]?([\w\[%$!][^\s'\"<>]*)",
    re.IGNORECASE,
)
SHARE = late_pattern(r"(?:(?<![\w\\/:.*$%)\]?!}-])|(?<=::))(\\\\+|//|\\/|/\\)([^\\/\s'\"<>|&;,()]+)([\\/]?)([^\s'\"]?)")
DEVICE_SHARE = late_pattern(
    r"(?:\\\\[?.]|\\\?\?|\\device|globalroot\\device)[\\/]+(?:unc|mup|lanmanredirector|webdavredirector)[\\/]+"
    r"(?:;[^\\/\s]*[\\/]+)*([^\\/\s'\"<>|&;,()]+)",
    re.IGNORECASE,
)
ADDRESS4 = late_pattern(
    r"(?<![\w.])(?<!version=)((?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){3})\.*(?![\w.])",
    re.IGNORECASE | re.ASCII,
)
ADDRESS6 = late_pattern(
    r"(?<![\w:.\])}])((?:[0-9a-f]{0,4}:){2,8}[0-9a-f:]{0,40}(?:\d{1,3}(?:\.\d{1,3}){3})?(?:%\w+)?)(?![\w:]|\.\d)",
    re.IGNORECASE,
)
NAME = late_pattern(r"(?<![\w.\u3002\uff0e\uff61\\$*-])[\w-]+(?:[.\u3002\uff0e\uff61][\w-]+)+(?![\w*])")
REMOTE_PATH = late_pattern(r"(?:[\w.+-]+@)?([a-z0-9_][\w.-]+|\[[0-9a-f:.]+\]|[$%!].*?):(?!\\|//)\S", re.IGNORECASE)
CONNECT_ADDRESS = late_pattern(r"\b(?:connectaddress|remoteaddress|proxy-server)[ ]?=[ ]?\"?([^\s\"]+)", re.IGNORECASE)
COPY_TARGET = late_pattern(r"(?<![\w@.:/\\+-])[\w.+-]+@([a-z0-9][\w.-]*):[~/\w]", re.IGNORECASE)
CALL = late_pattern(r"\b(\w+)(?:\]::new)?\s*\(\s*(?:(['\"])([^'\"\n]*)\2|(\$[\w:]+|\(|[\w.]+))", re.IGNORECASE)
CONSTRUCTION = late_pattern(
    r"\b(?:tcpclient|udpclient|smtpclient)[ \t]+(?:-arg\w*[ \t]+)?@?\(?[ \t]*(?:(['\"])([^'\"\n]*)\1|(\$\w+))",
    re.IGNORECASE,
)
TYPED_ADDRESS = late_pattern(
    r"(?:\[(?:system\.)?(?:net\.)?ipaddress\]|net\.ipaddress)\s*\(?\s*['\"]?([\w.:]+)", re.IGNORECASE
)
LOCAL_PATH = late_pattern(
    r"[a-z]:[\\/]|\.{1,2}[\\/]|~[\\/]|(?:%\w+(?:\(x86\))?%|\$\{?(?:env:)?\w+\}?)\\", re.IGNORECASE
)
GLUED_SWITCH = late_pattern(r"^/[ckr](?=\w)", re.IGNORECASE)
SHELL_END = late_pattern(r"[&|;,(){}\]]")
BRACKETED = late_pattern(r"\[([^\]]*)\](?=$|:[\w$%{}]*$|[&|;,(){}])")
PORT = late_pattern(r"\d{0,5}|[$%!{].*", re.DOTALL | re.ASCII)
LONGEST_AUTHORITY = 1000
MOST_SCANNED = 8 << 20
TOO_LARGE = "(a text too large to be understood)"


def find_servers(text: str) -> set[str]:
    """Servers that a text names, as they stand there; what might be one and is not understood is among them."""
    search = TargetSearch()
    search.scan(text, 0)
    return {f for f in search.found if f}


@dataclass(slots=True)
class TargetSearch:
    """The servers found so far in a text and in the texts within it."""

    found: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    scanned: int = 0

    def scan(self, text: str, depth: int, *, runs: bool = True) -> None:
        """Takes the servers of a text; `runs` is whether it is commands and not only what they print."""
        for reading in list_readings(text):
            if reading in self.seen or depth > DEEPEST_TEXT:
                continue
            self.seen.add(reading)
            self.scanned += len(reading)
            if self.scanned > MOST_SCANNED:
                self.found.add(TOO_LARGE)
                return
            variables = read_variables(reading)
            self.scan_plain(reading, variables)
            for command in split_commands(reading):
                self.scan_command(command, variables, depth, runs=runs)
            for decoded in list_decoded(reading):
                self.scan(decoded, depth + 1)

    def scan_plain(self, text: str, variables: Variables) -> None:
        """Takes what is a server wherever it stands."""
        for url in find_urls(text):
            self.take_hosts(url, variables)
        self.found |= {
            m.group().lower() for m in URL.finditer(text) if not m[2] and m[1].lower() not in DRIVES | {"file"}
        }
        for host in (*find_shares(text), *(m[1] for m in COPY_TARGET.finditer(text))):
            self.take_host(host, variables)
        for match in CONNECT_ADDRESS.finditer(text):
            self.take_word(match[1], variables)
        self.found |= {m[1] for m in ADDRESS4.finditer(text) if parse_address(m[1])}
        self.found |= {m[1].lower() for m in ADDRESS6.finditer(text) if parse_address(m[1])}
        self.found |= {m[1].lower() for m in TYPED_ADDRESS.finditer(text) if parse_address(m[1])}
        self.found |= {m.group().lower() for m in NAME.finditer(text) if is_server_name(m)}
        for call in CALL.finditer(text):
            if call[1].lower() in SERVER_CALLS and call[2]:
                self.take_word(call[3], variables)
            elif call[1].lower() in SERVER_CALLS:
                self.take_first_argument(text[call.start(4) : call.start(4) + LONGEST_AUTHORITY], variables)
        for construction in CONSTRUCTION.finditer(text):
            if construction[1]:
                self.take_word(construction[2], variables)
            else:
                self.take_first_argument(construction[3], variables)

    def take_first_argument(self, arguments: str, variables: Variables) -> None:
        """Takes the first argument of a call of .NET that is no literal; one without known values is not understood."""
        expression = re.split(r"[,;\n]", arguments, maxsplit=1)[0].rstrip(")} ")
        values = variables.evaluate(expression)
        for value in values if values is not None else (expression,):
            self.take_word(value, variables)

    def take_hosts(self, rest: str, variables: Variables) -> None:
        """Takes every server that a program may read in a URL, of which `rest` is what stands behind the scheme."""
        for text in variables.expand(rest[: 2 * LONGEST_AUTHORITY]):
            for host in read_authority(text):
                self.take_host(host, variables)

    def take_host(self, host: str, variables: Variables) -> None:
        """Takes a host once its variables are replaced."""
        for value in variables.expand(OWN_NAME.sub("localhost", host)):
            decoded = unquote(value) if "%" in value else value
            self.found.add(decoded if decoded in ("", ".") else decoded.lower().rstrip(".") or decoded)

    def scan_command(self, command: SimpleCommand, variables: Variables, depth: int, *, runs: bool) -> None:
        """Takes the servers among a command's words, and those of texts that it is given."""
        program = name_program(command.words[0].value)
        runs = runs and program not in WRITERS and not command.words[0].value.startswith("#")
        for number, word in enumerate(command.words):
            if word.value != word.written and word.value:
                if any(c.isspace() for c in word.value):
                    self.scan(GLUED_SWITCH.sub("", word.value), depth + 1, runs=runs)
                elif runs:
                    self.scan_plain(word.value, variables)
            if runs and is_encoded_command(word.value):
                self.take_encoded(command.words[number + 1 : number + 2], depth, known=is_powershell(command, number))
        if runs:
            self.take_share_words(command)
            anywhere = program in INTERPRETERS
            for number, word in enumerate(command.words):
                before = command.words[number - 1].value.lower() if number else ""
                if number == 0 or anywhere or before in STARTERS:
                    for name in variables.expand(word.value):
                        found = find_network_program(name)
                        if found:
                            self.take_arguments(found, command, number + 1, variables)
            self.take_parameters(command, variables)

    def take_encoded(self, words: tuple[CommandWord, ...], depth: int, *, known: bool) -> None:
        """Takes the servers of an encoded command; one that cannot be decoded is not understood.

        `known` is whether it is PowerShell's: other programs have options that look alike.
        """
        for word in words:
            decoded = decode_base64(word.value)
            if decoded is not None:
                self.scan(decoded, depth + 1)
            elif known:
                self.found.add(word.value)

    def take_share_words(self, command: SimpleCommand) -> None:
        r"""Takes words that are only a server's name behind two backslashes, as in `net use \\server`."""
        for word in command.words:
            name = word.value.lower()[2:]
            if word.value.startswith("\\\\") and len(name) > 1 and HOST_NAME.fullmatch(name):
                self.found.add(name)

    def take_parameters(self, command: SimpleCommand, variables: Variables) -> None:
        """Takes the values of parameters that name a server whatever the cmdlet."""
        for number, word in enumerate(command.words):
            name, _, attached = word.value[1:].partition(":")
            if word.value[:1] == "-" and name.lower() in SERVER_PARAMETERS:
                self.take_value(attached, command, number + 1, variables)

    def take_value(self, attached: str, command: SimpleCommand, following: int, variables: Variables) -> None:
        """Takes the value of an option, which is attached to it or is the next word or expression."""
        if attached:
            self.take_word(attached, variables)
        elif following < len(command.words):
            self.take_following(command, following, variables)
        elif command.group:
            self.take_group(command.group, variables)

    def take_following(self, command: SimpleCommand, number: int, variables: Variables) -> None:
        """Takes a word, with the expression behind it where it is only the start of one."""
        word = command.words[number]
        if number == len(command.words) - 1 and command.group and word.value in ("@", "$"):
            self.take_group(command.group, variables)
        else:
            self.take_word(word.value, variables)

    def take_group(self, expression: str, variables: Variables) -> None:
        """Takes the servers of an expression; one of other things than literals is not understood."""
        values = variables.evaluate(expression)
        if values is None:
            self.found.add(f"({expression})")
        for value in values or ():
            self.take_word(value, variables)

    def take_arguments(self, program: NetworkProgram, command: SimpleCommand, start: int, variables: Variables) -> None:
        """Takes the words of a program's call that name servers, or may name them."""
        servers, number = 0, start
        while number < len(command.words):
            value = command.words[number].value
            number += 1
            if program.remote:
                match = REMOTE_PATH.match(value)
                if match:
                    self.take_word(match[1], variables)
                continue
            if not is_option(value):
                if servers < program.servers:
                    self.take_following(command, number - 1, variables)
                    servers += 1
                continue
            what, attached = read_option(value, program)
            if what == "named":
                self.take_value(attached, command, number, variables)
                number += not attached
            elif what == "value":
                number += not attached
            elif (
                what == "other"
                and program.servers
                and number < len(command.words)
                and not is_option(command.words[number].value)
            ):
                self.take_following(command, number, variables)
                number += 1
        if command.group and servers < program.servers and not servers:
            self.take_group(command.group, variables)

    def take_word(self, word: str, variables: Variables) -> None:
        """Takes the server that a word names to a program that talks to servers."""
        for piece in word.split(","):
            piece = OWN_NAME.sub("localhost", piece.strip())[:LONGEST_AUTHORITY]
            if not piece or piece == "-" or LOCAL_PATH.match(piece) or "://" in piece or piece[:2] in ("\\\\", "//"):
                continue
            for value in variables.expand(piece):
                if URL.match(value) or BARE_URL.match(value):
                    continue
                hosts = (value,) if REFERENCE.search(value) else tuple(read_authority(value))
                self.found |= {host.lower().rstrip(".") for host in hosts}


def is_powershell(command: SimpleCommand, number: int) -> bool:
    """Whether an option in a command is PowerShell's own."""
    return any(name_program(word.value) in ("powershell", "pwsh") for word in command.words[:number])


def is_option(word: str) -> bool:
    """Whether a word of a program's call is an option and no server."""
    return (word[:1] == "-" and len(word) > 1) or re.fullmatch(r"/[\w?]+(?:[:=].*)?", word) is not None


def read_option(word: str, program: NetworkProgram) -> tuple[str, str]:
    """Whether an option names a server, has another value, has none, or is not known; and a value attached to it."""
    name, _, attached = re.match(r"[-/]+([^:=]*)([:=]?)(.*)", word, re.DOTALL).groups()  # type: ignore[union-attr]
    for kind, options in (("named", program.named), ("value", program.values), ("flag", program.flags)):
        exact = name in options or (name.lower() in options and (len(name) > 1 or word[0] == "/"))
        if exact or (len(name) > 2 and any(len(o) > 2 and o.startswith(name.lower()) for o in options)):
            return kind, attached
    if attached:
        return "flag", attached
    cluster = next((i for i, letter in enumerate(name) if letter in program.values), None)
    if word[:2] != "--" and cluster is not None and all(c in program.flags for c in name[:cluster]):
        return "value", name[cluster + 1 :]
    known = word[:2] != "--" and bool(name) and all(c in program.flags for c in name)
    return ("flag" if known else "other"), ""


def find_urls(text: str) -> Iterator[str]:
    """What stands behind the scheme and its slashes in each URL of a text."""
    for match in URL.finditer(text):
        scheme, rest = match[1].lower(), match[2]
        if scheme in DRIVES or (scheme == "file" and match.group().endswith("///")):
            continue
        if scheme == "file" and re.search(r":[\\/]{3}[a-z]:", match.group(), re.IGNORECASE):
            continue
        if scheme != "namespace" or not re.match(r"root[\\/]", rest, re.IGNORECASE):
            yield rest
    yield from (m[1] for m in BARE_URL.finditer(text))


def find_shares(text: str) -> Iterator[str]:
    """The servers of UNC paths, of those that redirectors have, and of WebDAV (`server@SSL@443`)."""
    for match in SHARE.finditer(text):
        slashes, host, slash, behind = match.groups()
        plain = slashes.startswith("\\") and slashes.endswith("\\")
        server = host.partition("@")[0]
        if host in (".", "?", "??") or not slash or not behind:
            continue
        if plain or "." in server or HOST_NAME.fullmatch(server.lower()):
            yield server
    yield from (m[1].partition("@")[0] for m in DEVICE_SHARE.finditer(text))


def read_authority(rest: str) -> Iterator[str]:
    """The hosts that programs read in what follows a URL's scheme: they do not agree on backslashes and on `@`."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if len(authority) > LONGEST_AUTHORITY:
        yield authority[:LONGEST_AUTHORITY]
        return
    first, *others = authority.split("\\")
    candidates = [first.rpartition("@")[2], *(o.rpartition("@")[2] for o in others if "@" in o)]
    if authority.count("@") > 1:
        candidates += authority.replace("\\", "@").split("@")[1:]
    for candidate in candidates:
        yield read_host(candidate)


def read_host(text: str) -> str:
    """A host without its port and without what a shell reads as the end of a word; one that is no host, as it is."""
    if bracketed := BRACKETED.match(text):
        return bracketed[1] if parse_address(bracketed[1]) else bracketed.group()
    host = text if REFERENCE.search(text) else SHELL_END.split(text, maxsplit=1)[0]
    behind = text[len(host) :]
    if not host or "." in behind or "@" in behind:
        return text
    name, _, port = host.partition(":")
    known = PORT.fullmatch(port) is not None and (not port.isdigit() or int(port) < 65536)
    return name if known else host


def is_server_name(match: re.Match[str]) -> bool:
    """Whether a dotted word can be a server on the Internet, and is no path, member, file or name of .NET."""
    text, name = match.string, match.group()
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    labels = name.lower().split(".")
    if after in ("\\", "(") or name.lower() in PLATFORM_NAMES | PROGRAMS_OF_WINDOWS or labels[-1].isdigit():
        return False
    ahead = text[max(0, match.start() - 80) : match.start()]
    if re.search(r"[\w.]/$|\]::$", ahead) or (before == "[" and after == "]") or FILE_POSITION.search(ahead):
        return False
    if labels[-1] in METHODS and after == " " and STATEMENT_START.search(ahead):
        return False
    return is_public_name(name)
