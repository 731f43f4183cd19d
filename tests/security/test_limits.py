"""What a hostile dockbox takes: processes, memory, CPU, log, open files.

Each has a neighbour, who goes on typing, on the same engine and the same server.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ..conftest import SERVERS
from ..support.engine import Engine
from ..support.run import Run
from ..support.server import Server
from ..support.terminal import Terminal
from ..support.waiting import eventually
from ..support.world import World, sqlite

MEMORY, PIDS, FILES, LOG = 96 * 2**20, 64, 200, 128 * 1024
CGROUPS = Path("/sys/fs/cgroup")


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with sqlite() as database:
        world = World(
            run, engine, tmp_path_factory.mktemp("limits"), database, container_memory=MEMORY,
            container_pids=PIDS, container_cpus=0.5, container_files=FILES, scrollback_bytes=LOG,
        )  # fmt: skip
        world.server.start()
        yield world
        world.close()


@pytest.fixture
def server(world: World, request: pytest.FixtureRequest) -> Server:
    request.node.stash[SERVERS] = [world.server]
    return world.server


def new_box(world: World) -> str:
    return str(world.server.create(world.archive())["id"])


def inspect(world: World, id: str) -> dict[str, Any]:
    container = world.server.box(id)["container_id"]
    return dict(world.engine.client().api.inspect_container(container))


@pytest.fixture
def neighbour(world: World, server: Server) -> Iterator[Terminal]:
    """Another dockbox's terminal; at the end it still answers, and so does the server."""
    id = new_box(world)
    container = world.server.box(id)["container_id"]
    with server.connect(id) as terminal:
        assert terminal.run("echo here", 30) == "here\n"
        yield terminal
        assert terminal.run("echo still here", 30) == "still here\n"
    assert server.get("/ready").status_code == 200
    assert world.engine.client().api.inspect_container(container)["RestartCount"] == 0


def first_process(world: World, id: str, terminal: Terminal) -> int:
    """Its pid on the host, once it runs."""
    assert terminal.run("echo up", 30) == "up\n"
    return int(inspect(world, id)["State"]["Pid"])


def cgroup_file(pid: int, controller: str, one: str, two: str) -> Path:
    """Where the kernel has a bound of a process, by its name in version 1 and in version 2."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return CGROUPS / controller / path.lstrip("/") / one
    return CGROUPS / path.lstrip("/") / two


def cgroup(pid: int, controller: str, one: str, two: str) -> str:
    """What that says."""
    return cgroup_file(pid, controller, one, two).read_text().strip()


def test_a_fork_bomb_stays_in_its_dockbox(world: World, neighbour: Terminal) -> None:
    server, id = world.server, new_box(world)
    with server.connect(id) as terminal:
        pid = first_process(world, id, terminal)
        bomb = "bomb() { while :; do sleep 1000 & done; }; bomb 2>/app/said &"
        terminal.send(f"{bomb}\r".encode())
        said = server.mount / id / "said"
        eventually(lambda: said.exists() and "unavailable" in said.read_text(), 30, "a full box")
        assert neighbour.run("for i in 1 2 3; do echo $i; done") == "1\n2\n3\n"
        assert int(cgroup(pid, "pids", "pids.current", "pids.current")) <= PIDS
        assert cgroup(pid, "pids", "pids.max", "pids.max") == str(PIDS)
    assert server.post(f"/v1/dockbox/{id}/stop").status_code == 200  # room for nothing in there
    assert server.delete(f"/v1/dockbox/{id}").status_code == 204


def test_a_memory_hog_is_killed_at_its_limit(world: World, neighbour: Terminal) -> None:
    id = new_box(world)
    with world.server.connect(id) as terminal:
        pid = first_process(world, id, terminal)
        assert cgroup(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(MEMORY)
        swap = {"1": str(MEMORY), "2": "0"}  # with the memory, or without
        version = "1" if (CGROUPS / "memory").exists() else "2"
        found = cgroup(pid, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
        assert found == swap[version]
        hog = f"tail -c {4 * MEMORY} /dev/zero | tail -c 1 | wc -c; echo ${{PIPESTATUS[0]}}"
        assert terminal.run(hog, 60).splitlines()[-1] == "137"
        assert terminal.run("echo alive") == "alive\n"  # the shell itself is no hog


def test_files_in_memory_count_as_memory(world: World, neighbour: Terminal) -> None:
    """What looks like a disk to the dockbox, and is the host's memory."""
    id = new_box(world)
    with world.server.connect(id) as terminal:
        pid = first_process(world, id, terminal)
        mounts = terminal.run("grep -E '^[^ ]+ [^ ]+ tmpfs rw' /proc/mounts").splitlines()
        where = {mount.split()[1] for mount in mounts}
        assert {"/dev", "/dev/shm"} <= where
        fill = f"for i in {' '.join(where)}; do dd if=/dev/zero of=$i/fill bs=1M; done"
        # looked for now: a process that the kernel has killed for it counts as the host's
        peak = cgroup_file(pid, "memory", "memory.max_usage_in_bytes", "memory.peak")
        terminal.send(f"{fill}\r".encode())

        def full() -> int:
            found = int(peak.read_text())
            return found if found > MEMORY - 2**20 else 0

        assert eventually(full, 30, "a full memory") <= MEMORY
    assert world.server.delete(f"/v1/dockbox/{id}").status_code == 204


def test_a_cpu_hog_has_its_share(world: World, neighbour: Terminal) -> None:
    id = new_box(world)
    with world.server.connect(id) as terminal:
        for _ in range(4):
            terminal.run("(while :; do :; done) & :")
        pid = first_process(world, id, terminal)
        quota = cgroup(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()
        period = quota[1:] or [cgroup(pid, "cpu", "cpu.cfs_period_us", "")]
        assert int(quota[0]) / int(period[0]) == 0.5
        assert neighbour.run("echo typed") == "typed\n"


def test_a_flood_of_output_does_not_fill_the_disk(world: World, neighbour: Terminal) -> None:
    id = new_box(world)
    with world.server.connect(id) as terminal:
        terminal.run("yes 0123456789012345678901234567890123456789 | head -c 20000000", 60)
        container = inspect(world, id)["Id"]
        folder = world.engine.folder / "data/containers" / container
        most = 2 * 2 * LOG + 64 * 1024  # two files, and what else there is

        def held() -> int:  # of files that dockerd, which is behind, may still rename
            with suppress(FileNotFoundError):
                return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            return 0

        assert eventually(lambda: (size := held()) > LOG and size, 30, "a log") < most


def test_a_process_has_so_many_files_and_no_more(world: World, neighbour: Terminal) -> None:
    with world.server.connect(new_box(world)) as terminal:
        assert terminal.run("ulimit -Sn; ulimit -Hn") == f"{FILES}\n{FILES}\n"
        assert "not permitted" in terminal.run(f"ulimit -n {FILES + 1} 2>&1")
        script = 'for i in $(seq 3 250); do eval "exec $i</dev/null" || break; done; echo $i'
        assert f"\n{FILES}\n" in f"\n{terminal.run(f'bash -c {script!r} 2>/dev/null')}"


def test_a_crash_leaves_no_core_file(world: World, neighbour: Terminal) -> None:
    """The pattern says where on the host it goes, of which a dockbox must not have a say."""
    id = new_box(world)
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    with world.server.connect(id) as terminal:
        assert terminal.run("ulimit -Sc; ulimit -Hc") == "0\n0\n"
        assert "not permitted" in terminal.run("ulimit -c 1000 2>&1")
        said = terminal.run("bash -c 'kill -SEGV $$'; ls -a /app")
        assert "core dumped" not in said
        if not pattern.startswith(("|", "/")):
            assert not re.search(r"\bcore", said.partition("Segmentation")[2])
    assert not [name for name in os.listdir(world.server.mount / id) if name.startswith("core")]


def test_a_dockbox_ends_before_the_server_where_the_host_is_short(world: World) -> None:
    id = new_box(world)
    with world.server.connect(id) as terminal:
        assert int(terminal.run("cat /proc/self/oom_score_adj")) == 500
        assert "denied" in terminal.run("{ echo -1 >/proc/self/oom_score_adj; } 2>&1").lower()
    for pid in world.server.worker_pids():
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) <= 0
