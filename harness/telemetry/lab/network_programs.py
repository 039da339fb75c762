"""Programs and cmdlets that talk to servers: which of their words name one."""

from __future__ import annotations

from harness.record import record


@record(kw_only=True)
class NetworkProgram:
    """How a program is called: options whose value is no server, options without a value, options that name a server.

    `servers` is how many words that are no options name a server. An option that is none of these may take a server.
    `remote` is whether only words of the form `server:path` do.
    """

    values: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    servers: int = 99
    remote: bool = False


def words(text: str) -> frozenset[str]:
    """A set of words."""
    return frozenset(text.split())


COMMON_VALUES = (
    "erroraction ea warningaction wa informationaction outvariable ov errorvariable ev outbuffer credential"
    " authentication timeoutsec operationtimeoutsec method headers body contenttype outfile infile useragent form"
    " sessionvariable websession maximumredirection maximumretrycount retryintervalsec certificatethumbprint"
    " transferencoding custommethod"
)
COMMON_SWITCHES = (
    "verbose vb debug db confirm cf whatif wi passthru usebasicparsing usedefaultcredentials disablekeepalive"
    " skipcertificatecheck allowunencryptedauthentication skipheadervalidation preserveauthorizationonredirect resume"
)
WEB = NetworkProgram(values=words(COMMON_VALUES), flags=words(COMMON_SWITCHES), named=words("uri proxy"), servers=1)
CURL = NetworkProgram(
    values=words(
        "A b c C d D e E F H K m o P Q r t T u U w X y Y z user-agent cookie cookie-jar data data-raw data-binary"
        " data-urlencode dump-header form header max-time output request upload-file user write-out connect-timeout"
        " retry retry-delay cacert cert key ciphers referer range url-query"
    )
    | WEB.values,
    flags=WEB.flags
    | words("f g G i I k l L M n N O q R s S v V 0 1 2 3 4 6 a # j J insecure silent location fail include"),
    named=words("uri proxy url x"),
)
SSH = NetworkProgram(
    values=words("B b c D E e F I i l m O o p P Q S w hostkey pw"),
    flags=words("1 2 4 6 A a C f G g K k M N n q s T t V v X x Y y batch ssh"),
    servers=1,
)
REMOTING = NetworkProgram(
    values=words(
        COMMON_VALUES
        + " scriptblock filepath argumentlist args sessionoption port configurationname throttlelimit name"
    ),
    flags=words(COMMON_SWITCHES + " asjob usessl indisconnectedsession hidecomputername"),
    named=words("computername cn connectionuri hostname"),
    servers=1,
)
COPY = NetworkProgram(values=SSH.values | words("P"), flags=SSH.flags | words("r B p 3"), remote=True)
SERVER_SWITCH = NetworkProgram(named=words("s S"), servers=0)
SERVER_NAME = NetworkProgram(named=words("server"), servers=0)

NETWORK_PROGRAMS: dict[str, NetworkProgram] = {
    "ping": NetworkProgram(values=words("n l i v r s j k w c"), flags=words("t a f R p 4 6")),
    "tracert": NetworkProgram(values=words("h w"), flags=words("d R 4 6")),
    "pathping": NetworkProgram(values=words("h p q w"), flags=words("n 4 6")),
    "nslookup": NetworkProgram(),
    "curl": CURL,
    "wget": NetworkProgram(
        values=CURL.values | words("O P output-document"), flags=WEB.flags | words("q c nc"), named=CURL.named
    ),
    "ssh": SSH,
    "plink": SSH,
    "putty": SSH,
    "sftp": SSH,
    "scp": COPY,
    "pscp": COPY,
    "rsync": COPY,
    "git": COPY,
    "mount": COPY,
    "ftp": NetworkProgram(values=words("w"), flags=words("v d i n g a A"), servers=1),
    "tftp": NetworkProgram(flags=words("i"), servers=1),
    "telnet": NetworkProgram(values=words("f l t"), flags=words("a e"), servers=1),
    "nc": NetworkProgram(values=words("p e c w i"), flags=words("l n u v z k d L nv nvz lvp vz zv"), servers=1),
    "mstsc": NetworkProgram(named=words("v"), servers=0),
    "nltest": NetworkProgram(named=words("server dsgetdc dclist"), servers=0),
    "wmic": NetworkProgram(named=words("node"), servers=0),
    "winrs": NetworkProgram(named=words("r remote"), servers=0),
    "winrm": NetworkProgram(named=words("r remote"), servers=0),
    "wevtutil": NetworkProgram(named=words("r remote"), servers=0),
    "sqlcmd": NetworkProgram(named=words("S"), servers=0),
    "rpcping": NetworkProgram(named=words("s"), servers=0),
    "invoke-webrequest": WEB,
    "invoke-restmethod": WEB,
    "start-bitstransfer": NetworkProgram(
        values=WEB.values | words("destination displayname description transfertype priority"),
        flags=WEB.flags | words("asynchronous"),
        named=words("source"),
        servers=1,
    ),
    "test-connection": NetworkProgram(
        values=WEB.values | words("count buffersize delay ttl timetolive protocol throttlelimit maxhops"),
        flags=WEB.flags | words("quiet asjob ipv4 ipv6 repeat traceroute"),
        named=words("computername cn targetname source"),
        servers=1,
    ),
    "test-netconnection": NetworkProgram(
        values=WEB.values | words("port hops commontcpport informationlevel constraininterface"),
        flags=WEB.flags | words("traceroute diagnoserouting"),
        named=words("computername cn remoteaddress hostname"),
        servers=1,
    ),
    "resolve-dnsname": NetworkProgram(
        values=WEB.values | words("type"),
        flags=WEB.flags
        | words("dnsonly dnssecok dnsseccd nohostsfile norecursion quicktimeout tcponly llmnronly cacheonly"),
        named=words("name server"),
        servers=1,
    ),
    "enter-pssession": REMOTING,
    "new-pssession": REMOTING,
    "invoke-command": REMOTING,
    "new-cimsession": REMOTING,
    "test-wsman": REMOTING,
    "connect-wsman": REMOTING,
    **dict.fromkeys(
        ("schtasks", "tasklist", "taskkill", "systeminfo", "driverquery", "openfiles", "getmac", "gpresult"),
        SERVER_SWITCH,
    ),
    **dict.fromkeys(("ldifde", "csvde", "dsquery", "dsget"), SERVER_SWITCH),
    **dict.fromkeys(("query", "qwinsta", "quser", "qprocess", "logoff", "msg", "rwinsta"), SERVER_NAME),
}
ALIASES = {
    "iwr": "invoke-webrequest",
    "irm": "invoke-restmethod",
    "tnc": "test-netconnection",
    "etsn": "enter-pssession",
    "nsn": "new-pssession",
    "icm": "invoke-command",
    "ncat": "nc",
    "netcat": "nc",
    "osql": "sqlcmd",
}
# Parameters of any cmdlet that name a server.
SERVER_PARAMETERS = words(
    "computername cn comp compu computer uri url server servername smtpserver connectionuri hostname dnshostname"
    " domaincontroller remotehost"
)
# What stands in front of a program in the same command.
STARTERS = words("call start /c /k /r /b /wait /min -c -command do else then = & . return && ||")
INTERPRETERS = words(
    "cmd powershell pwsh if wsl bash start-process saps start runas iex invoke-expression psexec forfiles"
)
WRITERS = words(
    "echo rem title write-host write-output write-verbose write-warning write-error write-debug write-information"
)
# .NET's calls whose first argument is a server.
SERVER_CALLS = words(
    "connect beginconnect connectasync tcpclient udpclient smtpclient namedpipeclientstream gethostentry"
    " gethostaddresses gethostbyname resolve downloadstring downloadstringasync downloadfile downloaddata openread"
    " uploadstring uploadfile uploaddata"
)


def find_network_program(word: str) -> NetworkProgram | None:
    """How the program or cmdlet that a word names is called, if it is one that talks to servers."""
    name = name_program(word)
    return NETWORK_PROGRAMS.get(ALIASES.get(name, name))


def name_program(word: str) -> str:
    """A program's name without its folder and its ending."""
    name = word.lower().lstrip("@&.(").replace("/", "\\").rpartition("\\")[2]
    return name.removesuffix(".exe").removesuffix(".com")
