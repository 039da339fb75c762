"""The listener's image, built from what this machine has: its Python, the libraries that needs, and the script."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

from harness.diagnostics import HarnessError

LEFT_OUT = frozenset(
    {
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "lib2to3",
        "ensurepip",
        "site-packages",
        "__pycache__",
        "distutils",
        "pydoc_data",
    }
)
# Lines of ldd: `libc.so.6 => /lib/libc.so.6 (0x7f..)`, and the loader without an arrow.
LIBRARY = re.compile(r"(?:=>\s*)?(/\S+)\s+\(0x")
HOME = "python"

# From nothing: labs have no way to a registry, and what an image lacks cannot be misused. 65534 is nobody.
DOCKERFILE = """\
FROM scratch
COPY root/ /
ENV PYTHONHOME=/python DETLAB_CONTAINER=1 PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
ENTRYPOINT ["/python/bin/python3", "-I", "-u", "/listener.py"]
"""


def build_image_context(script: Path) -> bytes:
    """A tar with a Dockerfile that starts from nothing and everything that the listener needs."""
    if not sys.platform.startswith("linux"):
        hint = "start the listener without containers: --no-docker"
        raise HarnessError("no-image", "an image can be built from this machine's Python on Linux only", help=hint)
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as tar:
        add_bytes_to_tar(tar, "Dockerfile", DOCKERFILE.encode())
        add_bytes_to_tar(tar, "root/listener.py", script.read_bytes())
        add_bytes_to_tar(tar, "root/tmp/.keep", b"")
        for target, source in sorted(find_image_files().items()):
            add_file_to_tar(tar, f"root/{target}", source)
    return found.getvalue()


def hash_image_label(script: Path) -> str:
    """Twelve hex digits of script, Python version and Dockerfile: an image's tag."""
    seed = script.read_bytes() + sys.version.encode() + DOCKERFILE.encode()
    return hashlib.sha256(seed).hexdigest()[:12]


def find_image_files() -> dict[str, Path]:
    """Path in the image to path on this machine: Python, its modules and their libraries."""
    # Resolved: links of a venv would lead nowhere in the image.
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.executable).resolve()
    found = {f"{HOME}/bin/python3": python}
    for path in modules(standard):
        found[f"{HOME}/lib/{version}/{path.relative_to(standard)}"] = path
    for path in {python, *(p for p in found.values() if p.suffix == ".so")}:
        for library in libraries(path):
            found[str(library).lstrip("/")] = library
    return found


def modules(standard: Path) -> Iterator[Path]:
    """The standard library without what a server does not need."""
    for folder, names, files in os.walk(standard):
        names[:] = [n for n in names if n not in LEFT_OUT and not n.startswith("config-")]
        yield from (Path(folder) / f for f in files if f.endswith((".py", ".so")))


def libraries(binary: Path) -> list[Path]:
    """Shared libraries that a program or module is linked with, the loader among them, by the names it asks for."""
    told = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False)
    return [Path(path) for path in LIBRARY.findall(told.stdout) if Path(path).is_file()]


def add_file_to_tar(tar: tarfile.TarFile, name: str, source: Path) -> None:
    """Puts a file in the tar, itself and not the link that leads to it, with the rights it needs and no more."""
    entry = tarfile.TarInfo(name)
    data = source.read_bytes()
    entry.size, entry.mode = len(data), 0o755 if os.access(source, os.X_OK) else 0o644
    tar.addfile(entry, io.BytesIO(data))


def add_bytes_to_tar(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Adds a file of bytes to the tar, mode 644."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    tar.addfile(entry, io.BytesIO(data))
