"""What a file that is no format of events looks like, in a few words, by its first bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.telemetry.events.compression import PACKINGS

MAGICS: Sequence[tuple[bytes, str]] = (
    *((packing.magic, f"data packed twice ({packing.name}); unpack them first") for packing in PACKINGS),
    (b"\xd4\xc3\xb2\xa1", "a packet capture (pcap); Zeek or Suricata make events of it"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture (pcap); Zeek or Suricata make events of it"),
    (b"\x4d\x3c\xb2\xa1", "a packet capture (pcap); Zeek or Suricata make events of it"),
    (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng); Zeek or Suricata make events of it"),
    (b"SQLite format 3\0", "an SQLite database; export its table as CSV"),
    (b"regf", "a hive of the registry"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z); unpack it first"),
    (b"Rar!", "an archive (RAR); unpack it first"),
    (b"PK\x03\x04", "an archive or a document of an office program (zip)"),
    (b"PK\x05\x06", "an empty archive (zip)"),
    (b"LfLe", "an event log of Windows XP (evt); wevtutil epl turns it into evtx"),
    (b"0\0\0\0LfLe", "an event log of Windows XP (evt); wevtutil epl turns it into evtx"),
    (b"LPKSHHRH", "a journal of systemd; journalctl -o json exports it"),
    (b"Obj\x01", "an Avro file; export it as JSON or Parquet"),
    (b"ORC", "an ORC file; export it as Parquet"),
    (b"\xd0\xcf\x11\xe0", "a document of an old office program"),
    (b"\x04\x22\x4d\x18", "data packed with lz4; unpack them first"),
    (b"MAM\x04", "a prefetch file of Windows"),
    (b"SCCA", "a prefetch file of Windows"),
    (b"FILE0", "a master file table (MFT)"),
    (b"\x80\x00\x00\x00", "a trace of Windows (etl); tracerpt -of evtx turns it into evtx"),
)
TAR_MAGIC = (257, b"ustar")

# In the order in which they are tried: what says most first.
TEXT_LOOKS: Sequence[tuple[re.Pattern[bytes], str]] = tuple(
    (re.compile(look, re.S), words)
    for look, words in (
        (rb"#Software: [^\n]*\n#Version: [^\n]*\n", "a log of IIS or another W3C log; read it with --sourcetype iis"),
        (rb"[^\n]{0,200}\bCEF:\d\|", "lines of CEF; read them with --sourcetype"),
        (rb"[^\n]{0,200}\bLEEF:\d", "lines of LEEF; read them with --sourcetype"),
        (
            rb"(?:LogName=[^\n]*\n|[^\n]{8,40}\r?\nLogName=)",
            "Splunk's classic text of Windows events; read it with --sourcetype WinEventLog",
        ),
        (rb"type=[A-Z_]+ msg=audit\(", "a log of Linux auditd; read it with --sourcetype linux_audit"),
        (
            rb"(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ ",
            "lines of syslog; read them with --sourcetype syslog",
        ),
        (rb"<\d{1,3}>1 \d{4}-\d\d-\d\dT", "lines of syslog; read them with --sourcetype syslog"),
        (
            rb"\S+ \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:",
            "an access log of a web server; read it with --sourcetype access_combined",
        ),
        (rb"\s*<(?:!doctype html|html)\b", "a page of HTML"),
        (
            rb"(?:[^\n]*+\n){0,200}?title: [^\n]*+\n(?:[^\n]*+\n){0,200}?logsource:",
            "a Sigma rule; it belongs to --rules",
        ),
        (rb"(?:[^\n]*\n)?[^\n]{0,100}\d{4}-\d\d-\d\d[T ]\d\d:\d\d", "lines of a log; read them with --sourcetype"),
        (rb"#!", "a script"),
        (rb"\s*(?:# |## |\*\*)", "a page of Markdown"),
    )
)
XML_ROOT = re.compile(rb"(?:\s|<\?xml[^>]*\?>|<!--.*?-->|<!DOCTYPE[^>]*>)*+<([\w:.-]+)", re.S)


def describe_look(head: bytes, text: bytes) -> str:
    """What content looks like that begins so, `text` being its beginning as UTF-8."""
    for magic, words in MAGICS:
        if head.startswith(magic):
            return words
    if head[TAR_MAGIC[0] : TAR_MAGIC[0] + 5] == TAR_MAGIC[1]:
        return "an archive (tar); unpack it first"
    for look, words in TEXT_LOOKS:
        if look.match(text[:4096].lower() if words == "a page of HTML" else text[:4096]):
            return words
    root = XML_ROOT.match(text) if text.startswith(b"<") else None
    if root:
        return f"XML with the root `{root[1].decode('utf-8', 'replace')}`, which holds no Windows events"
    printable = sum(byte >= 32 or byte in b"\t\r\n" for byte in text[:1000])
    if b"\0" in head[:1000] or printable < 0.95 * len(text[:1000]):
        return "binary data"
    first = text[:60].split(b"\n")[0].decode("utf-8", "replace").strip()
    return f"plain text: `{first}`"
