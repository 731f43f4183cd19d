"""Tiny images for the tests, from static binaries of Debian: nothing has to be pulled."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from .processes import Missing, program

BASH = "dockbox-test/bash:1"  # bash and busybox
SH = "dockbox-test/sh:1"  # busybox only
DEAD = "dockbox-test/dead:1"  # no shell at all: cannot be started
BASE = (BASH, SH, DEAD)


def _static(name: str, package: str) -> bytes:
    content = Path(program(name, package)).read_bytes()
    # A dynamic one names its loader at the front, and would find none in the image.
    if b"/ld-" in content[:4096]:
        raise Missing(f"{name} is not static: apt-get install {package}")
    return content


def archive(name: str, extra: Mapping[str, bytes] | None = None) -> bytes:
    """The file system of the image ``name`` (one of ``BASE``) as a tar, with ``extra`` files."""
    files = {
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
        **(extra or {}),
    }
    links: list[str] = []
    if name in (BASH, SH):
        files["bin/busybox"] = _static("busybox", "busybox-static")
        listing = subprocess.run(
            [program("busybox", "busybox-static"), "--list"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        links = [applet for applet in listing.stdout.split() if applet != "busybox"]
    if name == BASH:
        files["bin/bash"] = _static("bash-static", "bash-static")
    return _tar(files, links)


def _tar(files: Mapping[str, bytes], links: list[str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        folders = {str(up) for name in files for up in Path(name).parents} - {"."}
        for folder in sorted(folders | {"app", "bin", "dev", "proc", "root", "sys", "tmp"}):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            tar.addfile(member, io.BytesIO(content))
        for link in links:
            member = tarfile.TarInfo(f"bin/{link}")
            member.type, member.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(member)
    return out.getvalue()
