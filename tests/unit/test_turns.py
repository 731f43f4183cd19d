"""So many at a time; the others wait, say so, and give up in the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from dockbox.config import Config
from dockbox.errors import Busy
from dockbox.turns import Turns, share


def test_no_more_than_so_many_have_a_turn_and_each_gets_one() -> None:
    turns, inside, most, waited = Turns(2, 30), 0, 0, []

    def work(number: int) -> None:
        nonlocal inside, most
        with turns.turn(lambda: waited.append(number)):
            inside += 1
            most = max(most, inside)
            gevent.sleep(0)
            inside -= 1

    workers = [gevent.spawn(work, number) for number in range(9)]
    gevent.joinall(workers, raise_error=True)
    assert (most, inside) == (2, 0)
    assert waited == list(range(2, 9))


def test_who_waits_too_long_is_told_and_leaves_no_trace() -> None:
    turns, held, go = Turns(1, 0.01), Event(), Event()

    def hold() -> None:
        with turns.turn(lambda: None):
            held.set()
            go.wait()

    holder = gevent.spawn(hold)
    held.wait()
    with pytest.raises(Busy) as refused, turns.turn(lambda: None):
        pass
    assert refused.value.retry_after
    go.set()
    holder.join()
    with turns.turn(lambda: pytest.fail("it is free")):
        pass


def test_a_turn_ends_however_its_work_ends() -> None:
    turns = Turns(1, 0)
    with pytest.raises(ZeroDivisionError), turns.turn(lambda: None):
        _ = 1 / 0

    def stay() -> None:
        with turns.turn(lambda: None):
            gevent.sleep(100)

    killed = gevent.spawn(stay)
    killed.join(0)
    killed.kill()
    with turns.turn(lambda: pytest.fail("it is free")):
        pass


@pytest.mark.parametrize(("most", "workers", "each"), [(16, 1, 16), (16, 3, 5), (4, 8, 1)])
def test_the_workers_of_a_server_share_what_it_may_do(most: int, workers: int, each: int) -> None:
    config = Config(
        environment="development", port=1, docker_server_host="", database_name="",
        database_host="", database_port=None, database_user="", database_password="",
        mount_point=Path(),
    )  # fmt: skip
    assert share(replace(config, web_concurrency=workers), most) == each
