"""What slow, silent, vanished and hostile clients may do to the others: nothing for long."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..support.internals import connect_elsewhere, on_two_workers, open_files
from ..support.rawmode import digest, pattern, raw, read_exactly
from ..support.server import Server
from ..support.shared import new_box
from ..support.site import Site
from ..support.terminal import Closed, Terminal
from ..support.waiting import eventually

MB = 2**20
STALL = 2  # seconds, STALL_TIMEOUT of the server here
TOO_SLOW = (1013, "The output was not read. Connect again.")
SETTINGS = {"stall_timeout": STALL, "idle_timeout": 600, "max_box_connections": 0}


@pytest.fixture
def server(shared: Server) -> Server:
    return shared


def deaf(server: Server, id: str, buffer: int = 4096) -> Terminal:
    """A client whose system takes little, so that what it does not read fills up soon."""
    return server.connect(id, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)])


# --- slow, silent, gone -------------------------------------------------------------------------


def test_who_stops_reading_is_dropped_and_the_other_gets_every_byte(
    server: Server, box: str
) -> None:
    command, wanted = pattern(2_000_000)
    stalled = deaf(server, box)
    with server.connect(box) as reader:
        with raw(reader, command):
            assert digest(read_exactly(reader, len(wanted))) == digest(wanted)
        assert stalled.close_code(20) == TOO_SLOW or stalled.closed.code == 1006
        assert reader.run("echo on") == "on\n"
        eventually(lambda: server.box(box)["connections"] == 1, 10, "one connection")
        # what it did not read is replayed, at a worker that has not seen it, too
        for again in (server.connect(box), connect_elsewhere(server, box, reader)):
            again.read_until(b"\n1999999\n2000000\n")


def test_alone_too_who_stops_reading_does_not_stop_the_shell(server: Server, box: str) -> None:
    stalled = deaf(server, box)
    stalled.send(b"stty -echo; seq 1000000; touch en''ded\r")
    eventually(lambda: (server.mount / box / "ended").exists(), 30, "the end of the command")
    with contextlib.suppress(Closed):
        stalled.close_code(20)
    assert stalled.closed and stalled.closed.code in (1013, 1006)
    assert server.post(f"/v1/dockbox/{box}/stop").json()["state"] == "stopped"


def test_who_reads_slowly_and_alone_loses_nothing(server: Server, box: str) -> None:
    command, wanted = pattern(1_000_000)
    reader = deaf(server, box, 65536)  # with less, the kernel's own timers make it slower still
    with reader, raw(reader, command):
        began, have = time.monotonic(), b""
        while time.monotonic() - began < 3 * STALL:
            have += read_exactly(reader, 32_000)
            time.sleep(0.2)
        assert len(have) < len(wanted) / 2  # it was slow
        have += read_exactly(reader, len(wanted) - len(have))
        assert digest(have) == digest(wanted)


def test_a_stop_does_not_wait_for_who_does_not_read(server: Server, box: str) -> None:
    stalled = deaf(server, box)
    stalled.send(b"yes\r")
    eventually(lambda: server.box(box)["state"] == "running", 10, "a start")
    stalled.receive(10)
    began = time.monotonic()
    assert server.post(f"/v1/dockbox/{box}/stop").json()["state"] == "stopped"
    assert time.monotonic() - began < 15  # not for ever


def test_ctrl_c_works_while_output_piles_up(server: Server, box: str) -> None:
    with server.connect(box) as terminal:
        for _ in range(3):
            terminal.send(b"yes\r")
            terminal.read_until(b"y\r\ny\r\ny\r\n")
            terminal.send(b"\x03")
            after = terminal.read_until(b"^C", 20)
            assert len(after) < 8 * MB  # of what was on its way
            terminal.read_until(b"# ")
        assert terminal.run("echo calm") == "calm\n"


def test_clients_that_vanish_in_mid_output_harm_nobody(server: Server, box: str) -> None:
    command, wanted = pattern(6_000_000)
    with server.connect(box) as reader:
        before = {pid: len(open_files(pid)) for pid in server.worker_pids()}
        with raw(reader, command), ThreadPoolExecutor() as pool:
            got = pool.submit(read_exactly, reader, len(wanted))
            amid = 0
            for number in range(50):
                terminal = deaf(server, box)
                for _ in range(number % 4):
                    terminal.receive(10)
                terminal.vanish()
                amid += not got.done()
            assert amid > 20  # they were there in mid output
            assert digest(got.result()) == digest(wanted)
        eventually(lambda: server.box(box)["connections"] == 1, 10, "one connection")
        assert reader.run("echo on") == "on\n"
        for pid, files in before.items():
            # a worker may have attached by now, and keeps connections to Docker
            eventually(lambda: len(open_files(pid)) <= files + 25, 20, "files closed")  # noqa: B023


def memory(server: Server) -> int:
    """Bytes of memory that the workers have."""
    total = 0
    for pid in server.worker_pids():
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        total += int(found[1]) * 1024 if found else 0
    return total


def test_clients_that_do_not_read_cost_a_bounded_memory(server: Server, box: str) -> None:
    command, wanted = pattern(3_000_000)
    with server.connect(box) as reader:
        with raw(reader, "seq 300000 | cat"):
            read_exactly(reader, 300_000 * 6)
        before, most = memory(server), 0
        stalled = [deaf(server, box) for _ in range(20)]
        with raw(reader, command):
            got = 0
            while got < len(wanted):
                got += len(read_exactly(reader, min(MB, len(wanted) - got)))
                most = max(most, memory(server))
        assert most - before < 40 * MB  # 20 outboxes of at most 0.5 MB, and a replay for each
    for terminal in stalled:
        terminal.vanish()


def test_a_hundred_silent_clients_are_counted_and_harm_nobody(server: Server, box: str) -> None:
    silent = [server.connect(box) for _ in range(100)]
    eventually(lambda: server.box(box)["connections"] == 100, 30, "a hundred connections")
    assert silent[50].run("echo hello", 20) == "hello\n"
    for terminal in silent:
        terminal.vanish()
    eventually(lambda: server.box(box)["connections"] == 0, 30, "no connection")
    assert server.box(box)["stops_at"]


# --- hostile ------------------------------------------------------------------------------------

FRAMES = {
    "not masked": (b"\x82\x05hello", 1002),
    "unknown opcode": (b"\x83\x80mask", 1002),
    "reserved bits": (b"\xf2\x80mask", 1002),
    "a continuation of nothing": (b"\x80\x80mask", 1002),
    "a fragmented ping": (b"\x09\x80mask", 1002),
    "a long ping": (b"\x89\xfe\x00\x80mask" + b"x" * 128, 1002),
    "text that is not UTF-8": (b"\x81\x82\0\0\0\0\xff\xfe", 1007),
    "a length of 2^63": (b"\x82\xff" + struct.pack("!Q", 2**63) + b"mask", 1002),
    "a length of 2^62": (b"\x82\xff" + struct.pack("!Q", 2**62) + b"mask" + b"x" * 9 * MB, 1009),
    "a close of one byte": (b"\x88\x81\0\0\0\0x", 1002),
    "a close with code 1005": (b"\x88\x82\0\0\0\0" + struct.pack("!H", 1005), 1002),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002),
}


def test_what_breaks_the_protocol_ends_its_sender_only(server: Server, box: str) -> None:
    with server.connect(box) as other:
        for name, (sent, code) in FRAMES.items():
            terminal = server.connect(box)
            with contextlib.suppress(OSError):  # closed before all of it was sent
                terminal.socket.sock.sendall(sent)
            found = terminal.close_code(20)[0]
            assert found in (code, 1006), name
        assert other.run("echo fine") == "fine\n"
    assert "Traceback" not in server.log()


def test_a_deleted_box_closes_its_terminals_with_1000(server: Server, box: str) -> None:
    with on_two_workers(server, box) as terminals:
        assert server.delete(f"/v1/dockbox/{box}").status_code == 204
        for terminal in terminals:
            assert terminal.close_code() == (1000, "The dockbox was deleted.")


def test_who_only_pings_stays(server: Server, box: str) -> None:
    with server.connect(box) as terminal:
        terminal.read_until(b"# ")
        for number in range(200):
            terminal.socket.ping(f"ping {number}")
        terminal.socket.settimeout(10)
        answers = [terminal.socket.recv_data(control_frame=True) for _ in range(3)]
        assert [opcode for opcode, _ in answers] == [0xA] * 3
        assert terminal.run("echo alive") == "alive\n"


def test_a_typist_is_served_while_all_the_hostile_do_their_worst(
    server: Server, box: str, site: Site
) -> None:
    flooded = new_box(server, site)
    netloc = server.url.removeprefix("http://")
    command = [sys.executable, "-m", "tests.support.hostile", netloc, flooded, box, "1000"]
    with server.connect(box) as typist:
        typist.run("true")
        hostile = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert hostile.stdout and hostile.stdout.readline() == b"hostile\n"
            for number in range(100):
                assert typist.run(f"echo {number}", 20) == f"{number}\n"
            assert server.box(box)["connections"] > 1000
        finally:
            hostile.kill()
            hostile.communicate()
        eventually(lambda: server.box(box)["connections"] == 1, 60, "the typist alone")
        assert typist.run("echo calm") == "calm\n"
    assert server.post(f"/v1/dockbox/{flooded}/stop").json()["state"] == "stopped"
    assert "Traceback" not in server.log()
