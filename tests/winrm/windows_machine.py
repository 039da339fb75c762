# ruff: noqa: E501
"""A Windows machine for tests: a command prompt, processes, scheduled tasks, a registry and event logs in native XML.

It does for real what can be done for real (HTTP and TCP to loopback) and writes the events that a real host was seen to
write. Whatever it does not know fails with exit code 9009, so that no test passes on a command that did nothing.
"""

import base64
import datetime
import itertools
import re
import socket
import struct
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

SYSMON = "Microsoft-Windows-Sysmon/Operational"
SECURITY = "Security"
POWERSHELL = "Microsoft-Windows-PowerShell/Operational"
DNS = "Microsoft-Windows-DNS-Client/Operational"
TASKS = "Microsoft-Windows-TaskScheduler/Operational"
GUIDS = {
    SYSMON: ("Microsoft-Windows-Sysmon", "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}"),
    SECURITY: ("Microsoft-Windows-Security-Auditing", "{54849625-5478-4994-A5BA-3E3B0328C30D}"),
    POWERSHELL: ("Microsoft-Windows-PowerShell", "{A0C1853B-5C40-4B15-8766-3CF1C58F985A}"),
    DNS: ("Microsoft-Windows-DNS-Client", "{1C95126E-7EEA-49A9-A3FE-A378B03DDB4D}"),
    TASKS: ("Microsoft-Windows-TaskScheduler", "{DE7B24EA-73C8-4A09-985D-5BDADCFA9017}"),
}
VERSIONS = {(SYSMON, 1): 5, (SYSMON, 3): 5, (SYSMON, 5): 3, (SYSMON, 22): 5, (SECURITY, 4698): 1}
PS = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
CMD = r"C:\Windows\System32\cmd.exe"
MACHINE_ID = "B34BC01C"
PRODUCT = r"HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions"
CODE_PAGES = r"HKLM\SYSTEM\CurrentControlSet\Control\Nls\CodePage"
OTHER_OBJECTS = "{0CCE9227-69AE-11D9-BED3-505054503030}"
UNKNOWN = 9009


@dataclass
class Log:
    enabled: bool = True
    records: list = field(default_factory=list)
    next_id: int = 1000
    capacity: int = 100_000


@dataclass
class Process:
    pid: int
    parent: "Process | None"
    image: str
    line: str
    guid: str
    stopped: threading.Event
    alive: bool = True


class Machine:
    def __init__(
        self, *, offset=0.0, lag=0.2, marker="purple", product="WinNT", elevated=True, resolver=None, sysmon=True
    ):
        self.offset, self.lag, self.resolver, self.elevated = offset, lag, resolver, elevated
        self.name = "WIN10"
        self.code_page = "850"
        self.registry = {PRODUCT: {"ProductType": product}, CODE_PAGES: {"OEMCP": self.code_page, "ACP": "1252"}}
        if marker:
            self.registry[r"HKLM\SOFTWARE\detlab"] = {"Lab": marker}
        self.logs = {c: Log() for c in GUIDS if sysmon or c != SYSMON}
        self.audited = True
        self.tasks = {}
        self.files, self.variables, self.code = {}, {}, 0
        self.processes = {}
        self.pids = itertools.count(4000, 4)
        self.sequence = itertools.count(0x447)
        self.ran = []
        self.lock = threading.RLock()
        self.timers = []
        self.boot()

    def boot(self):
        self.processes = {}
        self.dcom = self.started(
            None, r"C:\Windows\System32\svchost.exe", r"C:\Windows\system32\svchost.exe -k DcomLaunch -p", quiet=True
        )
        self.schedule = self.started(
            None,
            r"C:\Windows\System32\svchost.exe",
            r"C:\Windows\system32\svchost.exe -k netsvcs -p -s Schedule",
            quiet=True,
        )
        self.listener = self.started(None, r"C:\lab\listener.exe", r"C:\lab\listener.exe", quiet=True)

    # -- clock and events ------------------------------------------------------------------------------------------

    def now(self):
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.offset)

    def utc(self):
        return self.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    def write(self, channel, event, data, *, task=None, later=0.0, user="S-1-5-18", pid=2684):
        log = self.logs.get(channel)
        if log is None:
            return
        if later:
            timer = threading.Timer(later, self.write, (channel, event, data), {"task": task, "user": user, "pid": pid})
            timer.daemon = True
            self.timers.append(timer)
            timer.start()
            return
        with self.lock:
            if not log.enabled:
                return
            provider, guid = GUIDS[channel]
            number, log.next_id = log.next_id, log.next_id + 1
            stamp = self.now().strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
            fields = "".join(f"<Data Name='{k}'>{escape(str(v))}</Data>" for k, v in data.items())
            log.records.append(
                (
                    number,
                    (
                        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
                        f"<Provider Name='{provider}' Guid='{guid}'/><EventID>{event}</EventID>"
                        f"<Version>{VERSIONS.get((channel, event), 0)}</Version><Level>4</Level><Task>{task if task is not None else event}</Task>"
                        f"<Opcode>0</Opcode><Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='{stamp}'/>"
                        f"<EventRecordID>{number}</EventRecordID><Correlation/><Execution ProcessID='{pid}' ThreadID='1380'/>"
                        f"<Channel>{channel}</Channel><Computer>{self.name}</Computer><Security UserID='{user}'/></System>"
                        f"<EventData>{fields}</EventData></Event>"
                    ),
                )
            )
            del log.records[: max(0, len(log.records) - log.capacity)]

    def guid(self):
        seconds = int(self.now().timestamp())
        key = (8 << 48) | next(self.sequence)
        tail = struct.pack("<Q", key).hex().upper()
        return f"{{{MACHINE_ID}-{seconds & 0xFFFF:04X}-{seconds >> 16:04X}-{tail[:4]}-{tail[4:]}}}"

    def started(self, parent, image, line, *, quiet=False, stopped=None):
        process = Process(next(self.pids), parent, image, line, self.guid(), stopped or threading.Event())
        with self.lock:
            self.processes[process.pid] = process
        if not quiet:
            self.write(
                SYSMON,
                1,
                {
                    "RuleName": "-",
                    "UtcTime": self.utc(),
                    "ProcessGuid": process.guid,
                    "ProcessId": process.pid,
                    "Image": image,
                    "FileVersion": "10.0.19041.1",
                    "Description": "-",
                    "Product": "Microsoft Windows Operating System",
                    "Company": "Microsoft Corporation",
                    "OriginalFileName": image.rsplit("\\", 1)[-1],
                    "CommandLine": line,
                    "CurrentDirectory": "C:\\Users\\detonator\\",
                    "User": f"{self.name}\\detonator",
                    "LogonGuid": process.guid,
                    "LogonId": "0x1948260",
                    "TerminalSessionId": 0,
                    "IntegrityLevel": "High" if self.elevated else "Medium",
                    "Hashes": "SHA256=" + "0" * 64,
                    "ParentProcessGuid": parent.guid if parent else "{00000000-0000-0000-0000-000000000000}",
                    "ParentProcessId": parent.pid if parent else 0,
                    "ParentImage": parent.image if parent else "-",
                    "ParentCommandLine": parent.line if parent else "-",
                    "ParentUser": "NT AUTHORITY\\SYSTEM",
                },
            )
        return process

    def exited(self, process):
        with self.lock:
            if not process.alive:
                return
            process.alive = False
            self.processes.pop(process.pid, None)
        self.write(
            SYSMON,
            5,
            {
                "RuleName": "-",
                "UtcTime": self.utc(),
                "ProcessGuid": process.guid,
                "ProcessId": process.pid,
                "Image": process.image,
                "User": f"{self.name}\\detonator",
            },
        )

    def connected(self, process, port, source):
        for who, initiated in ((process, "true"), (self.listener, "false")):
            self.write(
                SYSMON,
                3,
                {
                    "RuleName": "-",
                    "UtcTime": self.utc(),
                    "ProcessGuid": who.guid,
                    "ProcessId": who.pid,
                    "Image": who.image,
                    "User": f"{self.name}\\detonator",
                    "Protocol": "tcp",
                    "Initiated": initiated,
                    "SourceIsIpv6": "false",
                    "SourceIp": "127.0.0.1",
                    "SourceHostname": "-",
                    "SourcePort": source,
                    "SourcePortName": "-",
                    "DestinationIsIpv6": "false",
                    "DestinationIp": "127.0.0.1",
                    "DestinationHostname": "-",
                    "DestinationPort": port,
                    "DestinationPortName": "-",
                },
                later=self.lag,
            )

    # -- shells ----------------------------------------------------------------------------------------------------

    def winrs(self, command):
        self.write(SECURITY, 4624, {"TargetUserName": "detonator", "LogonType": 3}, task=12544)
        host = self.started(
            self.dcom,
            r"C:\Windows\System32\WinrsHost.exe",
            r"C:\Windows\system32\WinrsHost.exe -Embedding",
            stopped=command.stopped,
        )
        # As in LM_winrm_exec_sysmon_1_winrshost.evtx.
        line = rf"C:\Windows\system32\cmd.exe /C {command.text}"
        try:
            if len(line) > 8191:
                command.err("The command line is too long.\r\n")
                return 1
            return self.prompt(command.text, line, host, command)
        finally:
            self.exited(host)

    def prompt(self, text, line, parent, io):
        """Runs a line of the command prompt in a cmd.exe of its own."""
        process = self.started(parent, CMD, line, stopped=io.stopped)
        try:
            return self.interpret(text, process, io)
        except Exit as end:
            return end.code
        finally:
            self.exited(process)

    def interpret(self, text, process, io):
        code, run = 0, True
        for joint, part in split(text):
            if joint == "&":
                run = True
            elif joint == "&&":
                run = run and code == 0
            elif joint == "||":
                run = code != 0
            if run and part.strip():
                if io.stopped.is_set() or process.stopped.is_set() or not process.alive:
                    return 1
                code = self.code = self.simple(part.strip(), process, io)
        return code

    def simple(self, text, process, io):
        bare, quiet_out, quiet_err = redirects(text)
        io = Muted(io, quiet_out, quiet_err) if quiet_out or quiet_err else io
        self.ran.append(bare)
        words = bare.split(None, 1)
        name = words[0].strip('"').rsplit("\\", 1)[-1].lower().removesuffix(".exe")
        rest = words[1] if len(words) > 1 else ""
        if bare.lower().startswith("set "):
            return 0
        if bare.lower().startswith("call set "):
            self.variables[bare[9:].partition("=")[0].lower()] = str(self.code)
            return 0
        if bare.lower().startswith("call exit "):
            raise Exit(int(self.variables[bare[10:].strip("%^ ").lower()]))
        if bare.lower().startswith("findstr ") and ">" in bare:
            io.input_ended.wait(30)
            self.files[bare.partition(">")[2].strip()] = bytes(io.input).decode()
            return 0
        if name == "del":
            known = [f for f in self.files if f.lower() == rest.lower()]
            for file in known:
                del self.files[file]
            return 0
        if name == "echo":
            io.out(rest + "\r\n")
            return 0
        if name == "exit":
            raise Exit(int(rest.split()[-1]) if rest.split() else 0)
        if name in ("rem", "ver"):
            return 0
        program = getattr(self, f"do_{name}", None)
        if program is None:
            io.err(
                f"'{words[0]}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
            )
            return UNKNOWN
        # cmd.exe passes two blanks on.
        line = f"{words[0]}  {rest}" if rest else words[0]
        child = self.started(
            process, PS if name == "powershell" else rf"C:\Windows\System32\{name}.exe", line, stopped=io.stopped
        )
        try:
            return program(rest, child, io)
        finally:
            self.exited(child)

    # -- programs --------------------------------------------------------------------------------------------------

    def do_cmd(self, rest, process, io):
        if "/k" in rest.lower().split():
            io.input_ended.wait(30)
            for row in bytes(io.input).decode().splitlines():
                try:
                    code = self.interpret(row, process, io)
                except Exit as end:
                    return end.code or locals().get("code", 0)
            return 0
        if "/c call " in rest:
            try:
                return self.batch(self.files[rest.partition("/c call ")[2]].splitlines(), process, io)
            except Exit as end:
                return end.code
        return self.interpret(rest.partition("/c ")[2].strip('"'), process, io)

    def batch(self, rows, process, io):
        """A batch file: comments, continued lines, and blocks of `if exist`."""
        code, rows = 0, list(rows)
        while rows:
            row = rows.pop(0).strip()
            while row.endswith("^") and rows:
                row = row[:-1] + rows.pop(0)
            if not row or row.startswith("::") or re.match(r"rem(\s|$)", row, re.I):
                continue
            if match := re.fullmatch(r"if exist (\S+) \(", row, re.I):
                yes, no, into = [], [], 0
                while (row := rows.pop(0).strip()) != ")":
                    if row == ") else (":
                        into = 1
                    else:
                        (no if into else yes).append(row)
                code = self.batch(yes if match[1] in self.files else no, process, io)
            else:
                code = self.interpret(row.replace("%%", "%"), process, io)
        return code

    def do_hostname(self, rest, process, io):
        io.out(self.name + "\r\n")
        return 0

    def do_whoami(self, rest, process, io):
        level = ("High", "S-1-16-12288") if self.elevated else ("Medium", "S-1-16-8192")
        io.out('"Everyone","Well-known group","S-1-1-0","Mandatory group"\r\n')
        io.out(f'"Mandatory Label\\{level[0]} Mandatory Level","Label","{level[1]}",""\r\n')
        return 0

    def do_reg(self, rest, process, io):
        match = re.fullmatch(r"query (\S+) /v (\S+)", rest)
        value = self.registry.get(match[1], {}).get(match[2]) if match else None
        if value is None:
            io.err("ERROR: The system was unable to find the specified registry key or value.\r\n")
            return 1
        kind = "REG_DWORD" if isinstance(value, int) else "REG_SZ"
        shown = hex(value) if isinstance(value, int) else value
        io.out(f"\r\n{match[1]}\r\n    {match[2]}    {kind}    {shown}\r\n\r\n")
        return 0

    def do_ipconfig(self, rest, process, io):
        return 0 if "/flushdns" in rest else 1

    def do_auditpol(self, rest, process, io):
        match = re.search(r'/subcategory:"?(\{[0-9A-F-]+\})', rest, re.I)
        if not match:
            return 87
        setting = "Success and Failure" if self.audited else "No Auditing"
        io.out("\r\nMachine Name,Policy Target,Subcategory,Subcategory GUID,Inclusion Setting,Exclusion Setting\r\n")
        io.out(f"{self.name},System,Some Events,{match[1]},{setting},\r\n")
        return 0

    def do_netstat(self, rest, process, io):
        io.out("  TCP    127.0.0.1:8888    0.0.0.0:0    LISTENING\r\n")
        return 0

    def do_sc(self, rest, process, io):
        running = SYSMON in self.logs
        if not running:
            io.out("[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n")
            return 1060
        io.out(
            "SERVICE_NAME: Sysmon64\r\n        TYPE               : 10  WIN32_OWN_PROCESS\r\n        STATE              : 4  RUNNING\r\n"
        )
        return 0

    def do_wevtutil(self, rest, process, io):
        verb, _, rest = rest.partition(" ")
        channel = re.match(r'"([^"]+)"|(\S+)', rest)
        log = self.logs.get(channel[1] or channel[2])
        if log is None:
            io.err("Failed to read configuration for log. The specified channel could not be found.\r\n")
            return 15007
        with self.lock:
            first = log.records[0][0] if log.records else log.next_id
            if verb == "gl":
                io.out(
                    f"name: {channel[1]}\r\nenabled: {str(log.enabled).lower()}\r\ntype: Operational\r\nlogging:\r\n  retention: false\r\n  autoBackup: false\r\n  maxSize: 67108864\r\n"
                )
                return 0
            if verb == "gli":
                io.out(
                    f"creationTime: 2026-01-01T00:00:00.000Z\r\nnumberOfLogRecords: {len(log.records)}\r\noldestRecordNumber: {first}\r\n"
                )
                return 0
            query = re.search(r'/q:"([^"]*)"', rest)[1]
            low = re.search(r"EventRecordID>(\d+)", query)
            high = re.search(r"EventRecordID<=(\d+)", query)
            most = int(re.search(r"/c:(\d+)", rest)[1])
            found = [x for n, x in log.records if (not low or n > int(low[1])) and (not high or n <= int(high[1]))]
        io.out("\r\n".join(found[:most]) + "\r\n" if found else "")
        return 0

    def do_schtasks(self, rest, process, io):
        def option(name):
            match = re.search(rf'/{name} (?:"([^"]*)"|(\S+))', rest, re.I)
            return (match[1] or match[2]) if match else ""

        task, verb = option("TN"), rest.split()[0].lower()
        if verb == "/create":
            self.tasks[task] = option("TR")
            self.write(TASKS, 106, {"TaskName": f"\\{task}", "UserContext": f"{self.name}\\detonator"})
            if self.audited:
                self.write(
                    SECURITY,
                    4698,
                    {
                        "SubjectUserSid": "S-1-5-21-1-2-3-1001",
                        "SubjectUserName": "detonator",
                        "SubjectDomainName": self.name,
                        "SubjectLogonId": "0x1948260",
                        "TaskName": f"\\{task}",
                        "TaskContent": f"<Task><Exec>{self.tasks[task]}</Exec></Task>",
                    },
                    task=12804,
                )
            io.out(f'SUCCESS: The scheduled task "{task}" has successfully been created.\r\n')
            return 0
        if task not in self.tasks:
            io.err("ERROR: The system cannot find the file specified.\r\n")
            return 1
        if verb == "/run":
            action = self.tasks[task]
            self.write(TASKS, 110, {"TaskName": f"\\{task}"})
            threading.Thread(target=self.run_task, args=(action,), daemon=True).start()
            io.out(f'SUCCESS: Attempted to run the scheduled task "{task}".\r\n')
        elif verb == "/delete":
            del self.tasks[task]
            self.write(TASKS, 141, {"TaskName": f"\\{task}"})
            if self.audited:
                self.write(SECURITY, 4699, {"TaskName": f"\\{task}"}, task=12804)
            io.out(f'SUCCESS: The scheduled task "{task}" was successfully deleted.\r\n')
        else:
            io.out(f"TaskName: \\{task}\r\n")
        return 0

    def run_task(self, action):
        io = Silent()
        # The service puts quotes around the program of a task.
        program, _, rest = action.partition(" ")
        process = self.started(self.schedule, PS, f'"{program}" {rest}')
        self.script(action.partition("-Command ")[2], process, io)
        self.exited(process)

    def do_powershell(self, rest, process, io):
        code = re.search(r"-EncodedCommand (\S+)", rest)
        if code:
            script = base64.b64decode(code[1]).decode("utf-16-le")
            if "[Console]::In.ReadToEnd()" in script:
                io.input_ended.wait(30)
                script = base64.b64decode(bytes(io.input)).decode("utf-8")
        else:
            script = rest.partition("-Command ")[2].strip().removeprefix('"').removesuffix('"')
        return self.script(script, process, io)

    def do_timeout(self, rest, process, io):
        return 1 if process.stopped.wait(float(re.search(r"\d+", rest)[0])) else 0

    # -- PowerShell, as much as the tests need ---------------------------------------------------------------------

    def script(self, script, process, io):
        self.write(
            POWERSHELL,
            4104,
            {
                "MessageNumber": 1,
                "MessageTotal": 1,
                "ScriptBlockText": script,
                "ScriptBlockId": "b7a1d1c0-0000-4000-8000-000000000001",
                "Path": "",
            },
            task=2,
            # PowerShell itself writes it.
            pid=process.pid,
        )
        script = script.removeprefix("$ProgressPreference='SilentlyContinue'\n").strip()
        if "[DateTime]::UtcNow" in script:
            io.out(self.now().strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z\r\n")
            return 0
        if match := re.search(r"\$mark = '(\w+=)' \+ '([^']+)'", script):
            return self.kill(match[1] + match[2], process)
        if match := re.search(r"1\.\.(\d+) \|.*-Seconds (\d+).*-UserAgent '([^']*)' -Uri '([^']*)'", script):
            return self.beacon(int(match[1]), float(match[2]), match[3], match[4], process, io)
        if match := re.search(r"-UserAgent (\S+) -Uri (\S+)", script):
            return self.beacon(1, 0, match[1], match[2], process, io)
        if match := re.search(r"'([^']*)'\.Split\(','\).*Resolve-DnsName.*-Seconds (\d+)", script):
            return self.lookups(match[1].split(","), float(match[2]), process, io)
        if match := re.search(r"'([^']*)'\.Split\(','\).*Connect\('([^']*)'", script):
            return self.probes(match[2], [int(p) for p in match[1].split(",")], process, io)
        return self.statements(script, process, io)

    def statements(self, script, process, io):
        for statement in re.split(r"[;\n]+", script):
            statement = statement.strip()
            if match := re.fullmatch(r"exit (\d+)", statement):
                return int(match[1])
            if match := re.fullmatch(r"Start-Sleep (?:-Seconds )?([\d.]+)", statement):
                if process.stopped.wait(float(match[1])):
                    return 1
            elif match := re.fullmatch(r"'(.*)' \* (\d+)", statement):
                io.out(match[1] * int(match[2]) + "\r\n")
            elif match := re.fullmatch(r"(?:Write-Output )?'(.*)'", statement):
                io.out(match[1] + "\r\n")
            elif match := re.fullmatch(r"Write-Error '(.*)'", statement):
                text = match[1].replace("\u00e9", "_x00E9_")
                io.err(
                    f'#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04"><Obj S="progress" RefId="0"/><S S="Error">{text} : wrong_x000D__x000A_</S></Objs>'
                )
            elif statement and not statement.startswith("#"):
                io.err(f"The term '{statement.split()[0]}' is not recognized\r\n")
                return 1
        return 0

    def kill(self, mark, own):
        with self.lock:
            marked = [p for p in self.processes.values() if mark in p.line]
            doomed = {p.pid for p in marked}
            while more := {p.pid for p in self.processes.values() if p.parent and p.parent.pid in doomed} - doomed:
                doomed |= more
            victims = [self.processes[pid] for pid in doomed if pid != own.pid]
        for process in victims:
            process.stopped.set()
            self.exited(process)
        return 0

    def beacon(self, count, interval, agent, url, process, io):
        port = int(re.search(r":(\d+)/", url)[1])
        for number in range(1, count + 1):
            if number > 1 and process.stopped.wait(interval):
                return 1
            try:
                request = urllib.request.Request(url, headers={"User-Agent": agent, "Connection": "close"})
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).read()
                self.connected(process, port, 50_000 + number)
                io.out(f"check-in {number}: answered\r\n")
            except OSError as error:
                io.out(f"check-in {number}: {error}\r\n")
        return 0

    def lookups(self, domains, interval, process, io):
        for domain in domains:
            answer = self.resolver(domain) if self.resolver else None
            self.write(
                SYSMON,
                22,
                {
                    "RuleName": "-",
                    "UtcTime": self.utc(),
                    "ProcessGuid": process.guid,
                    "ProcessId": process.pid,
                    "QueryName": domain,
                    "QueryStatus": 0 if answer else 9003,
                    "QueryResults": f"::ffff:{answer};" if answer else "-",
                    "Image": PS,
                    "User": f"{self.name}\\detonator",
                },
                later=self.lag,
            )
            self.write(
                DNS,
                3008,
                {
                    "QueryName": domain,
                    "QueryType": 1,
                    "QueryOptions": 0,
                    "QueryStatus": 0 if answer else 9003,
                    "QueryResults": f"::ffff:{answer};" if answer else "",
                },
                task=0,
                pid=process.pid,
            )
            io.out(f"{domain}: {'answered' if answer else 'DNS name does not exist'}\r\n")
            if process.stopped.wait(interval):
                return 1
        return 0

    def probes(self, server, ports, process, io):
        for port in ports:
            try:
                with socket.create_connection((server, port), timeout=2) as found:
                    self.connected(process, port, found.getsockname()[1])
                io.out(f"port {port}: connected\r\n")
            except OSError as error:
                io.out(f"port {port}: {error}\r\n")
        return 0

    def settle(self):
        deadline = time.monotonic() + 5
        while any(t.is_alive() for t in self.timers) and time.monotonic() < deadline:
            time.sleep(0.02)


class Exit(Exception):
    def __init__(self, code):
        self.code = code


class Muted:
    """An input and output of which a part goes to nul."""

    def __init__(self, io, out, err):
        self.io, self.no_out, self.no_err = io, out, err

    def __getattr__(self, name):
        return getattr(self.io, name)

    def out(self, text):
        if not self.no_out:
            self.io.out(text)

    def err(self, text):
        if not self.no_err:
            self.io.err(text)


class Silent:
    def __init__(self):
        self.stopped, self.input_ended, self.input = threading.Event(), threading.Event(), b""

    def out(self, text):
        pass

    err = out


def split(text):
    """Parts of a line with what joins each to the one before; nothing inside double quotes joins."""
    parts, quoted, start, joint, at = [], False, 0, "&", 0
    while at < len(text):
        if text[at] == '"':
            quoted = not quoted
        elif not quoted and text[at] == ">":
            at += 2 if text[at : at + 2] == ">&" else 0
        elif not quoted and text[at] in "&|":
            end = at + (2 if text[at : at + 2] in ("&&", "||") else 1)
            parts.append((joint, text[start:at]))
            joint, start = text[at:end], end
            at = end - 1
        at += 1
    return [*parts, (joint, text[start:])]


def redirects(text):
    """A command without its redirections, and whether its output and its errors go to nul."""
    out = bool(re.search(r"(?<!2)>\s?nul", text, re.I))
    err = bool(re.search(r"2>\s?nul", text, re.I)) or (out and "2>&1" in text)
    return re.sub(r"\s*(?:2>&1|[12]?>\s?nul)", "", text, flags=re.I).strip(), out, err
