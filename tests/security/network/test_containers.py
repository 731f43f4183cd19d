"""What a container may ask of the kernel, and what it sees of its host."""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support import images
from ...support.lab import Lab, execute
from .housed import Box, new_box

# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE
CAPABILITIES = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 10))
NOT_PERMITTED = 1  # EPERM
NEW_USER, SESSION = 0x10000000, 0xFFFFFFFD  # CLONE_NEWUSER; the session's keyring, -3
# x86-64's numbers of calls that need no capability: only the filter is against them.
CALLS = {
    "keyctl": (250, 0, SESSION, 1, 0),
    "unshare": (272, NEW_USER, 0, 0, 0),
    "clone": (56, NEW_USER | 17, 0, 0, 0),
    "userfaultfd": (323, 1, 0, 0, 0),
}
PSEUDO = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"}  # file systems
DEVICES = {
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
    "stdin", "stdout", "tty", "urandom", "zero",
}  # fmt: skip


@pytest.fixture
def box(lab: Lab, tmp_path: Path) -> Iterator[Box]:
    with new_box(lab, tmp_path) as box:
        yield box


@pytest.mark.parametrize("process", ["1", "self"])
def test_processes_have_our_capabilities_and_can_get_no_more(box: Box, process: str) -> None:
    lines = box.run(f"cat /proc/{process}/status").splitlines()
    found = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(found[kind], 16) == CAPABILITIES, kind
    for kind in ("CapInh", "CapAmb"):
        assert int(found[kind], 16) & ~CAPABILITIES == 0, kind
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


def test_a_setuid_program_gives_nobody_root(box: Box) -> None:
    box.run("cp /bin/bash /tmp/root && chmod 4755 /tmp/root")
    assert box.run("ls -l /tmp/root").startswith("-rwsr-xr-x")
    asked = """su -s /bin/sh nobody -c '/tmp/root -p -c "echo \\$EUID"'"""
    assert box.run(asked) == "65534\ncode=0"


def calling(number: int, *args: int) -> bytes:
    """A Linux program for x86-64 that makes one system call; it ends with the call's error."""
    code = b"\xb8" + struct.pack("<I", number)  # mov eax
    for register, value in zip((b"\xbf", b"\xbe", b"\xba", b"\x41\xba"), args, strict=True):
        code += register + struct.pack("<I", value)  # mov edi, esi, edx, r10d
    # syscall; xor edi, edi; test rax, rax; jns +4; neg eax; mov edi, eax; mov eax, 60; syscall
    code += bytes.fromhex("0f05 31ff 4885c0 7904 f7d8 89c7 b83c000000 0f05")
    base, start = 0x400000, 64 + 56
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    size = start + len(code)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096) + code


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the programs are for x86-64")
@pytest.mark.parametrize("call", CALLS)
def test_the_filter_refuses_a_call_that_the_kernel_would_not(box: Box, call: str) -> None:
    program = box.files / "call"
    program.write_bytes(calling(*CALLS[call]))
    program.chmod(0o755)
    assert box.run("/app/call") == f"code={NOT_PERMITTED}"
    assert unfiltered(box, "/app/call") == 0


def unfiltered(box: Box, command: str) -> int:
    """How ``command`` ends in a container that is like the box but has no filter."""
    api = box.lab.engine.client().api
    config = api.create_host_config(
        network_mode="none", binds={str(box.files): {"bind": "/app"}}, cap_drop=["ALL"],
        security_opt=["no-new-privileges", "seccomp=unconfined"],
    )  # fmt: skip
    made = api.create_container(images.BASH, ["sleep", "100"], host_config=config)["Id"]
    try:
        api.start(made)
        return execute(box.lab.engine, made, command)[0]
    finally:
        api.remove_container(made, force=True)


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs none /mnt", "mount -t proc none /mnt", "mount --bind /proc /mnt",
        "umount /proc", "unshare -m true", "unshare -n true", "unshare -U true",
        "nsenter -t 1 -m true", "mknod /tmp/disk b 8 0", "chroot / true", "swapoff -a",
        "insmod /tmp/none", "dmesg -c", "sysctl -w kernel.panic=1",
        "hostname other", "losetup /dev/loop0 /bin/busybox", "reboot -f",
    ],
)  # fmt: skip
def test_what_only_an_attacker_needs_is_refused(box: Box, command: str) -> None:
    said = box.run(f"mkdir -p /mnt; {command} 2>&1")
    assert not said.endswith("code=0"), said
    words = ("ermission denied", "not permitted", "Read-only", "No such file", "can't open")
    assert any(word in said for word in words), said


def test_what_tells_of_the_host_is_masked(box: Box) -> None:
    for path in ("kcore", "keys", "timer_list", "latency_stats"):
        assert box.run(f"! [ -e /proc/{path} ] || wc -c </proc/{path}") in ("0\ncode=0", "code=0")
    for path in ("/proc/acpi", "/proc/scsi", "/sys/firmware"):
        assert box.run(f"! [ -e {path} ] || ls {path}") == "code=0"


def test_proc_and_sys_cannot_be_written(box: Box) -> None:
    for path in ("bus", "fs", "irq", "sys", "sysrq-trigger"):
        options = box.run(f"grep ' /proc/{path} ' /proc/mounts").split()
        there = box.run(f"[ -e /proc/{path} ]") == "code=0"
        assert not there or options[3].split(",")[0] == "ro", path
    for path in (
        "/proc/sys/kernel/core_pattern", "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger",
        "/sys/kernel/uevent_helper",
    ):  # fmt: skip
        said = box.run(f"echo 1 2>&1 >{path}")
        assert not said.endswith("code=0"), (path, said)


def test_its_cgroups_cannot_be_written(box: Box) -> None:
    mounts = [line.split() for line in box.run("grep cgroup /proc/mounts").splitlines()]
    controllers = [words for words in mounts if len(words) > 3 and words[2].startswith("cgroup")]
    assert controllers
    assert [words[1] for words in controllers if words[3].split(",")[0] != "ro"] == []


def test_the_host_gives_it_its_app_and_nothing_more(box: Box) -> None:
    assert box.run("find / -type s -not -path '/proc/*' 2>/dev/null").startswith("code=")
    mounts = [line.split() for line in box.run("cat /proc/self/mounts").splitlines()[:-1]]
    real = {words[1] for words in mounts if words[2] not in PSEUDO}
    etc = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
    assert real == {"/", "/app", "/sbin/docker-init", *etc}


def test_it_has_no_device_beyond_the_usual(box: Box) -> None:
    assert set(box.run("ls /dev").split()) - {"code=0"} <= DEVICES
    assert box.run("find /dev -type b") == "code=0"
