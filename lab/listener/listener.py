"""The server side of the tests: HTTP and TCP ports that answer, a DNS sink, and a log of everything they saw.

Needs nothing but Python. One JSON object a line is written for each request, connection and question:

    python listener.py --http 8888 --tcp 4444,8080,8443 --dns 5353 --log seen.ndjson

It listens on 127.0.0.1 unless told otherwise, and refuses to listen everywhere.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import signal
import struct
import sys
import time

# Bytes of a request's head and seconds for one: a scanner must neither fill memory nor hold a port. Chosen.
LARGEST_REQUEST = 16_384
PATIENCE = 10
PAGE = b"detlab listener\n"
# RFC 2606 and 6761: names that nobody owns, which the pack's test 2 asks for.
RESERVED = (".example", ".test", ".invalid", ".localhost")


class Log:
    """Appends what was seen, one JSON object a line; a size limit keeps a flood from filling the disk."""

    def __init__(self, path, most=64 << 20):
        self.file = open(path, "a", encoding="utf-8", buffering=1) if path else sys.stdout  # noqa: SIM115
        self.left = most

    def write(self, kind, **seen):
        line = json.dumps({"time": round(time.time(), 3), "kind": kind, **seen}, ensure_ascii=True) + "\n"
        self.left -= len(line)
        if self.left > 0:
            self.file.write(line)
            self.file.flush()


async def http(reader, writer, log, port):
    """Answers one request and closes the connection."""
    peer = writer.get_extra_info("peername")
    request = b""
    with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    lines = request[:LARGEST_REQUEST].decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:]) if k}
    log.write("http", port=port, peer=peer[0], peer_port=peer[1], request=lines[0], agent=headers.get("user-agent", ""))
    # A client that keeps its connection would make one event 3 of five requests (inferred, telemetry.md 1.4).
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with contextlib.suppress(OSError):
        if request:
            writer.write(answer % len(PAGE) + PAGE)
            await writer.drain()
    await close(writer)


async def tcp(reader, writer, log, port):
    """Takes a connection, looks at what comes first, and closes it when the other side does."""
    peer = writer.get_extra_info("peername")
    log.write("tcp", port=port, peer=peer[0], peer_port=peer[1])
    with contextlib.suppress(TimeoutError, OSError):
        await asyncio.wait_for(reader.read(LARGEST_REQUEST), PATIENCE)
    await close(writer)


async def close(writer):
    """Closes a connection; the other side may have done so."""
    with contextlib.suppress(OSError):
        writer.close()
        await writer.wait_closed()


class Dns(asyncio.DatagramProtocol):
    """Answers questions for addresses of the test domains, and says that no other name exists."""

    def __init__(self, log, domains, address, port):
        self.log, self.port = log, port
        self.domains = tuple(d.lower().strip(".") for d in domains)
        self.address = ipaddress.ip_address(address).packed

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        try:
            answer = self.answer(data, peer)
        except (IndexError, struct.error, UnicodeDecodeError, ValueError):
            self.log.write("dns", port=self.port, peer=peer[0], malformed=len(data))
            return
        if answer:
            self.transport.sendto(answer, peer)

    def answer(self, data, peer):
        number, flags, questions = struct.unpack(">HHH", data[:6])
        # An answer, or a form that no resolver sends.
        if flags & 0x8000 or questions != 1:
            return b""
        labels, at = [], 12
        while data[at]:
            # Labels have at most 63 bytes; above are pointers, which a question has no need of.
            if data[at] > 63:
                raise ValueError
            labels.append(data[at + 1 : at + 1 + data[at]].decode("ascii"))
            at += data[at] + 1
        name = ".".join(labels)
        kind, _ = struct.unpack(">HH", data[at + 1 : at + 5])
        known = self.knows(name)
        self.log.write("dns", port=self.port, peer=peer[0], name=name, type=kind, answered=known and kind == 1)
        # Response, authoritative, recursion desired and available; code 3 (no such name) for all other names.
        head = struct.pack(">HHHHHH", number, 0x8580 if known else 0x8583, 1, int(known and kind == 1), 0, 0)
        question = data[12 : at + 5]
        # 0xC00C points at the question's name; 30 s until it is asked again.
        record = struct.pack(">HHHIH", 0xC00C, 1, 1, 30, 4) + self.address if known and kind == 1 else b""
        return head + question + record

    def knows(self, name):
        name = name.lower()
        return name in self.domains or any(name.endswith("." + d) for d in self.domains) or name.endswith(RESERVED)


async def serve(options):
    """Opens all ports, says which, and runs until it is told to stop."""
    log = Log(options.log)
    open_ports = {}
    servers = []
    for kind, handler, ports in (("http", http, options.http), ("tcp", tcp, options.tcp)):
        for port in ports:
            server = await asyncio.start_server(
                lambda r, w, h=handler, p=port: h(r, w, log, p), options.bind, port, limit=LARGEST_REQUEST
            )
            servers.append(server)
            open_ports.setdefault(kind, []).append(server.sockets[0].getsockname()[1])
    loop = asyncio.get_running_loop()
    for port in options.dns:
        transport, _ = await loop.create_datagram_endpoint(
            lambda p=port: Dns(log, options.domains, options.answer, p), local_addr=(options.bind, port)
        )
        servers.append(transport)
        open_ports.setdefault("dns", []).append(transport.get_extra_info("sockname")[1])
    print(json.dumps({"ready": open_ports, "bind": options.bind, "pid": os.getpid()}), flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await stop.wait()
    for server in servers:
        server.close()


def ports(text):
    """Ports with commas between them."""
    return [int(p) for p in text.split(",") if p.strip()]


def address(text):
    """An address to listen on: never all of them, except inside a container, whose network is its own."""
    found = ipaddress.ip_address(text)
    if found.is_unspecified and not os.environ.get("DETLAB_CONTAINER"):
        raise argparse.ArgumentTypeError("listening everywhere is not for a lab; name the lab network's address")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bind", type=address, default="127.0.0.1")
    parser.add_argument("--http", type=ports, default=[8888])
    parser.add_argument("--tcp", type=ports, default=[4444, 8080, 8443])
    parser.add_argument("--dns", type=ports, default=[])
    parser.add_argument("--domains", type=lambda t: [d for d in t.split(",") if d], default=[])
    parser.add_argument("--answer", default="127.0.0.1", help="what the DNS sink answers")
    parser.add_argument("--log", default="")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
