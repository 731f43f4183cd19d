"""What /metrics tells after known traffic: right over all workers, whatever becomes of them."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from ..support.internals import open_files, terminal_worker
from ..support.server import Server
from ..support.shared import new_box
from ..support.site import Site
from ..support.terminal import Terminal
from ..support.waiting import eventually

SETTINGS = {"stall_timeout": 1, "idle_timeout": 600}
UNITS = ("_seconds", "_bytes", "_total", "_length", "_fds")
PLAIN = {"dockbox_dockboxes", "dockbox_connections", "dockbox_workers"}  # things, counted now


@pytest.fixture
def server(shared: Server) -> Server:
    return shared


def families(server: Server) -> list[Metric]:
    answer = server.get("/metrics")
    assert answer.status_code == 200
    return list(text_string_to_metric_families(answer.text))


def value(server: Server, name: str, **labels: str) -> float:
    """The sum of all samples of this name that have these labels."""
    return sum(
        sample.value
        for family in families(server)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def since(server: Server, name: str, **labels: str) -> Callable[[], float]:
    """What has been added since this call."""
    before = value(server, name, **labels)
    return lambda: value(server, name, **labels) - before


def drain(terminal: Terminal) -> int:
    """Bytes that have come."""
    size = 0
    with suppress(TimeoutError):
        while True:
            size += len(terminal.receive(0.05))
    return size


def counters(server: Server) -> dict[tuple[str, str], float]:
    return {
        (sample.name, str(sorted(sample.labels.items()))): sample.value
        for family in families(server)
        for sample in family.samples
        if family.type == "counter" or sample.name.endswith(("_count", "_sum", "_bucket"))
    }


def on_both(server: Server, box: str) -> list[Terminal]:
    """Terminals of which each worker has one at least."""
    terminals = [server.connect(box)]
    while len({terminal_worker(server, terminal) for terminal in terminals}) < 2:
        assert len(terminals) < 100
        terminals.append(server.connect(box))
    return terminals


def test_bytes_and_clients_of_two_workers_add_up(server: Server, box: str) -> None:
    typed = since(server, "dockbox_terminal_input_bytes_total")
    sent = since(server, "dockbox_terminal_output_bytes_total")
    came = since(server, "dockbox_terminal_connects_total")
    left = since(server, "dockbox_terminal_closes_total", by="client", code="1000")
    opened = since(server, "dockbox_terminal_open_duration_seconds_count")
    terminals = on_both(server, box)
    for terminal in terminals:
        terminal.send(b"seq 20000\r")
    received = 0

    def all_is_counted() -> bool:
        nonlocal received
        received += sum(drain(terminal) for terminal in terminals)
        return received > len(terminals) ** 2 * 100_000 and sent() == received

    eventually(all_is_counted, 15, "every byte of output")
    eventually(lambda: typed() == len(terminals) * 10, 20, "every byte of input")
    assert (came(), left(), opened()) == (len(terminals), 0, 2)
    server.hang_up()
    eventually(lambda: left() == len(terminals), 10, "the ends")


def test_creations_are_counted_by_how_they_end(server: Server, site: Site) -> None:
    created = since(server, "dockbox_creates_total", outcome="created")
    failed = since(server, "dockbox_creates_total", outcome="fetch_failed")
    answers = since(server, "dockbox_http_requests_total", route="/v1/dockbox", method="POST")
    errors = since(server, "dockbox_http_errors_total", code="fetch_failed")
    steps = {
        step: since(server, "dockbox_create_step_duration_seconds_count", step=step)
        for step in ("wait", "fetch", "detect", "image", "container")
    }
    asked = since(
        server, "dockbox_docker_request_duration_seconds_count", operation="containers_create"
    )
    for _ in range(4):
        new_box(server, site)
    url = site.repository("project", {}).replace("project", "nothing")
    answers_of_failed = [server.post("/v1/dockbox", json={"url": url}) for _ in range(2)]
    assert {one.json()["code"] for one in answers_of_failed} == {"fetch_failed"}
    assert (created(), failed(), errors(), answers()) == (4, 2, 2, 6)
    assert {step: count() for step, count in steps.items()} == {
        "wait": 6, "fetch": 6, "detect": 4, "image": 4, "container": 4,
    }  # fmt: skip
    assert asked() == 4
    assert (
        len(
            {
                str(counters(server)["dockbox_creates_total", "[('outcome', 'created')]"])
                for _ in range(8)
            }
        )
        == 1
    )


def test_who_is_dropped_for_being_slow_is_counted(server: Server, box: str) -> None:
    dropped = since(server, "dockbox_terminal_closes_total", by="server", code="1013")
    stopped = since(server, "dockbox_terminal_closes_total", by="server", code="1000")
    slow = server.connect(box, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    slow.send(b"seq 1000000\r")
    eventually(dropped, 20, "one that was too slow")
    with server.connect(box) as terminal:
        terminal.run("true", 60)  # all that was still to come
        server.post(f"/v1/dockbox/{box}/stop")
        assert terminal.close_code()[0] == 1000
    eventually(stopped, 20, "one whose dockbox was stopped")
    assert (dropped(), stopped()) == (1, 1)


def files_of(server: Server) -> set[str]:
    """The files in which the workers count."""
    paths = {path for pid in server.worker_pids() for path in open_files(pid)}
    return {path for path in paths if path.endswith(".db") and "/dockbox-metrics-" in path}


def test_what_a_killed_worker_has_counted_stays_and_its_successor_goes_on(
    server: Server, box: str
) -> None:
    with server.connect(box) as terminal:
        terminal.run("true")
        eventually(lambda: value(server, "dockbox_terminal_input_bytes_total"), 5)
        before, files, pids = counters(server), files_of(server), server.worker_pids()
        memory = value(server, "dockbox_process_resident_memory_bytes")
        server.kill_worker(terminal_worker(server, terminal))
    eventually(lambda: len(set(server.worker_pids()) - set(pids)) == 1, 10, "another worker")
    eventually(lambda: files_of(server) == files, 10, "the same files")
    after = counters(server)
    assert [key for key, count in before.items() if after[key] < count] == []
    assert server.process
    os.kill(server.process.pid, signal.SIGTTOU)  # one worker less

    def half_the_memory() -> bool:
        return value(server, "dockbox_process_resident_memory_bytes") < 0.75 * memory

    eventually(half_the_memory, 20, "the memory of one worker")
    after = counters(server)
    assert [key for key, count in before.items() if after[key] < count] == []
    server.stop()
    assert not {path for path in files if Path(path).parent.exists()}
    server.start()


def test_names_follow_the_conventions_of_prometheus(server: Server, box: str) -> None:
    server.get("/nowhere")
    with server.connect(box) as terminal:
        terminal.run("true")
    found = families(server)
    assert len(found) > 25
    for family in found:
        name = family.name + "_total" * (family.type == "counter")
        assert re.fullmatch(r"dockbox_[a-z_]+", name)
        assert name.endswith(UNITS) or name in PLAIN
        assert family.type in ("counter", "gauge", "histogram")
        assert family.documentation.endswith(".")
        # nothing that a stranger chooses, nor what there is one of for each dockbox
        for sample in family.samples:
            assert not {"id", "url", "token", "pid"} & set(sample.labels)
            assert box not in sample.labels.values() and "/nowhere" not in sample.labels.values()
