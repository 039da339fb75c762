"""How much a server takes: clients that send events to its collector at once, then one search over all of them.

    python -m bench.serve_load --clients 200 --events 1000000

CPU seconds are user and system of the server's processes, the clients' own left out: on a busy machine they say more
than the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlencode, urlsplit

TOKEN = "token-of-the-load"
TICKS = os.sysconf("SC_CLK_TCK")


def build_body(client: int, batch: int, size: int) -> bytes:
    """The events of one request: logins in JSON, as an application sends them."""
    lines = []
    for i in range(size):
        number = batch * size + i
        event = {
            "user": f"u{number % 1000}",
            "action": "login" if i % 3 else "logout",
            "bytes": number % 5000,
            "c": client,
        }
        lines.append(json.dumps({"time": 1700000000 + number / 100, "sourcetype": "app:json", "event": event}))
    return "\n".join(lines).encode()


async def send_batches(host: str, port: int, client: int, batches: int, size: int, slow: float) -> tuple[int, float]:
    """One client on one connection: how many events were acknowledged, and the longest wait for it."""
    reader, writer = await asyncio.open_connection(host, port)
    body = build_body(client, client, size)
    head = (
        f"POST /services/collector/event HTTP/1.1\r\nHost: {host}\r\nAuthorization: Splunk {TOKEN}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    taken, longest = 0, 0.0
    for _ in range(batches):
        began = time.perf_counter()
        writer.write(head + body)
        await writer.drain()
        if slow:
            await asyncio.sleep(slow)
        status = await reader.readline()
        length = 0
        while (line := await reader.readline()).strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        await reader.readexactly(length)
        longest = max(longest, time.perf_counter() - began)
        if b" 200 " in status:
            taken += size
        elif b" 503 " not in status:
            raise RuntimeError(status.decode())
    writer.close()
    return taken, longest


def list_processes(root: int) -> list[int]:
    """A process and all below it."""
    found, parents = [root], {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    for number in found:
        found += [pid for pid, parent in parents.items() if parent == number]
    return found


def measure_cpu(root: int) -> float:
    """CPU seconds of a process and all below it, of those that have ended too."""
    ticks = 0
    for pid in list_processes(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def search(address: str, text: str) -> tuple[list[dict[str, str]], float]:
    """The rows of a search, and the seconds that it took."""
    parts = urlsplit(address)
    form = urlencode({"search": text, "exec_mode": "oneshot", "output_mode": "json"}).encode()
    login = b64encode(f"admin:{TOKEN}".encode()).decode()
    began = time.perf_counter()
    command = [
        "curl",
        "-s",
        f"{parts.scheme}://{parts.netloc}/services/search/jobs",
        "-H",
        f"Authorization: Basic {login}",
    ]
    found = subprocess.run([*command, "-d", form.decode()], capture_output=True, check=True).stdout
    return json.loads(found)["results"], time.perf_counter() - began


async def run_load(chosen: argparse.Namespace, started: dict[str, dict[str, str]], pid: int) -> None:
    """Sends everything and prints what it took."""
    hec = urlsplit(started["addresses"]["hec"])
    batches = max(1, chosen.events // (chosen.clients * chosen.batch))
    before, began = measure_cpu(pid), time.perf_counter()
    found = await asyncio.gather(
        *(
            send_batches("127.0.0.1", hec.port or 0, i, batches, chosen.batch, chosen.slow if i % 10 == 0 else 0.0)
            for i in range(chosen.clients)
        )
    )
    lasted = time.perf_counter() - began
    taken = sum(count for count, _ in found)
    spent = measure_cpu(pid) - before
    print(f"{taken:,} events of {chosen.clients} clients in {lasted:.1f} s: {taken / lasted:,.0f} a second")
    print(f"CPU of the server until the last was acknowledged: {spent:.1f} s, {spent / taken * 1e6:.1f} us an event")
    print(f"longest wait for an acknowledgement: {max(wait for _, wait in found):.2f} s; load {os.getloadavg()[0]:.1f}")
    rows, seconds = await asyncio.to_thread(
        search, started["addresses"]["splunk"], "search index=main | stats count dc(user) as users"
    )
    print(f"first search over all of them: {seconds:.1f} s: {rows}")
    rows, seconds = await asyncio.to_thread(
        search,
        started["addresses"]["splunk"],
        "search index=main action=logout | stats count by user | sort -count | head 1",
    )
    print(f"second search: {seconds:.1f} s: {rows}")
    print(f"CPU in all: {measure_cpu(pid) - before:.1f} s")
    if rows and int(rows[0]["count"]) < 1:
        raise SystemExit(1)


def main() -> None:
    """Starts a server, loads it, stops it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--slow", type=float, default=0.0, help="seconds that every tenth client waits before it reads")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ports = ["--splunk-port=0", "--hec-port=0", "--logscale-port=0"]
        program = "from harness.cli.main import main; main()"
        command = [sys.executable, "-c", program, "serve", "--plain", "--json", "--data", folder, *ports]
        environment = {**os.environ, "DETLAB_LOAD_TOKEN": TOKEN}
        server = subprocess.Popen(
            [*command, "--token-env", "DETLAB_LOAD_TOKEN"], stdout=subprocess.PIPE, env=environment
        )
        assert server.stdout is not None
        lines = []
        for line in server.stdout:
            lines.append(line)
            if line.rstrip() == b"}":
                break
        try:
            asyncio.run(run_load(chosen, json.loads(b"".join(lines)), server.pid))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
