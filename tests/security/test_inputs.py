"""Each thing that a caller says has a bound, and nothing that JSON or a URL can say is a surprise.

On PostgreSQL, which takes fewer kinds of text than SQLite.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from ..conftest import SERVERS
from ..support.engine import Engine
from ..support.operator import new_token, operate
from ..support.postgres import Postgres
from ..support.run import Run
from ..support.server import Server
from ..support.terminal import Closed
from ..support.traces import nothing_left
from ..support.world import World

pytestmark = pytest.mark.postgres
URL = "https://example.invalid/a.git"
ID = "8c5a2a3e-0e0a-4d7e-9d3b-0f4b3a2f1c11"
LONE = "\\ud800"  # half of a pair, as JSON spells it: no text that can be written anywhere


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, postgres: Postgres, tmp_path_factory: Any) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("inputs")
    world = World(run, engine, folder, postgres.database(), auth="token", web_concurrency=1)
    world.server.start()
    yield world
    world.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, world: World, admin: dict[str, str]) -> Server:
    request.node.stash[SERVERS] = [world.server]
    return world.server


@pytest.fixture(scope="module")
def admin(world: World, run: Run) -> dict[str, str]:
    return {"Authorization": f"Bearer {new_token(run, world.server, 'admin', '--admin')}"}


def said(field: str, value: str) -> str:
    """An order in which ``field`` has the JSON ``value``."""
    fields = {"url": json.dumps(URL), field: value}
    return "{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}"


LONG = {"url": 2048, "ref": 250, "subdir": 1024, "image": 255, "name": 63}
ODD = (
    f'"{LONE}"', f'"a{LONE}"', '"\\udfff\\ud800"', '"\\u0000"', '"a\\u0000b"', '"\\u001b[31m"',
    '"\\n"', '"\\u202e"', "1e400", "-1e400", "NaN", "Infinity", "1" * 5000, "0.1e-999999", "[]",
    "{}", "[" * 900 + "]" * 900, '{"a": ' * 900 + "1" + "}" * 900, "true",
)  # fmt: skip


@pytest.mark.parametrize("field", [*LONG, "idle_timeout"])
def test_a_field_with_something_odd_is_refused_in_a_sentence(
    server: Server, admin: dict[str, str], engine: Engine, field: str
) -> None:
    values = [*ODD, json.dumps("a" * (LONG.get(field, 60) + 1))]
    for value in values:
        answer = server.post("/v1/dockbox", data=said(field, value), headers=admin)
        assert answer.status_code in (400, 403), (value[:50], answer.status_code, answer.text)
        assert set(answer.json()) == {"error", "code"}
        assert len(answer.text) < 500 and answer.text.isascii()
        if field in ("name", "idle_timeout"):
            change = "{" + f'"{field}": {value}' + "}"
            path = f"/v1/dockbox/{ID}"
            assert server.patch(path, data=change, headers=admin).status_code == 400, value[:50]
    nothing_left(server, engine, timeout=0)


def test_of_two_fields_of_one_name_the_last_counts_and_is_checked(
    server: Server, admin: dict[str, str]
) -> None:
    for first, second in (("ok", "../x"), ("a b", "-")):
        body = f'{{"url": "{URL}", "name": "{first}", "name": "{second}"}}'
        answer = server.post("/v1/dockbox", data=body, headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_body_of_brackets_numbers_or_fields_without_end_is_400(
    server: Server, admin: dict[str, str]
) -> None:
    most = 60_000
    fields = json.dumps({f"field {number}": 1 for number in range(3000)})
    for body in (
        "[" * most, '{"url":' * (most // 7), '{"url": ' + "9" * most + "}", fields,
        '{"url": "' + "a" * most + '"}', '{"' + "a" * most + '": 1}', "\ufeff{}",
        '{"url": "' + LONE * 9000 + '"}',
    ):  # fmt: skip
        answer = server.post("/v1/dockbox", data=body.encode(), headers=admin)
        assert answer.status_code == 400, (body[:50], answer.text[:200])
        assert len(answer.text) < 500


@pytest.mark.parametrize(
    "say", ["wait=1e400", "wait=-1", "wait=" + "9" * 3000, "wait=٣", ",", "x" * 3000]
)
def test_what_prefer_says_is_bounded(server: Server, admin: dict[str, str], say: str) -> None:
    headers = {**admin, "Prefer": say.encode()}
    answer = server.post("/v1/dockbox", json={"url": "nonsense"}, headers=headers, timeout=10)
    assert answer.status_code == 400


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("when", ["nan", "inf", "-inf", "1e400", "1e308", "-0", "1_0", " 1", "٣"])
def test_no_place_in_a_list_is_too_far(server: Server, admin: dict[str, str], when: str) -> None:
    answer = server.get(f"/v1/dockbox?after={cursor(f'{when} {ID}')}", headers=admin)
    assert answer.status_code in (200, 400), answer.text
    assert answer.status_code == 400 or answer.json()["items"] == []


def test_what_stands_for_a_token_may_be_anything(server: Server, admin: dict[str, str]) -> None:
    for odd in ("%00", "%ed%a0%80", "%ff", "x" * 3000, "", "%F0%9F%90%B3"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            server.connect("some", f"ticket={odd}")
        assert refused.value.status_code == 401, odd
        assert json.loads(refused.value.resp_body)["code"] == "unauthorized"
        header = {"Authorization": b"Bearer " + odd.encode()}
        assert server.get("/v1/dockbox", headers=header).status_code == 401
    for odd in (f'"{LONE}"', '"\\u0000"', "1e400", "[[]]", '"' + "x" * 3000 + '"', "null"):
        terminal = server.connect("some", subprotocols=["tty"])
        terminal.socket.send(f'{{"AuthToken": {odd}, "columns": 80, "rows": 24}}')
        with pytest.raises(Closed) as closed:
            terminal.read_until(b"# ")
        assert closed.value.code == 1008, odd


def test_a_size_may_be_anything(server: Server, admin: dict[str, str]) -> None:
    for odd in ("1e400", "-1", "2001", "9" * 3000, "%00", "NaN", "٣", "0"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            server.connect(
                "some", f"rows={odd}&cols=80", [f"Authorization: {admin['Authorization']}"]
            )
        assert refused.value.status_code == 400, odd
        body = (
            f'{{"rows": {odd if odd.isascii() and odd != "%00" else json.dumps(odd)}, "cols": 9}}'
        )
        answer = server.post("/v1/dockbox/some/resize", data=body, headers=admin)
        assert answer.status_code == 400, (odd[:50], answer.text)


def test_a_tokens_name_is_cut(server: Server, run: Run) -> None:
    new_token(run, server, "x" * 5000)
    listed = operate(run, server, "token", "list", "--json").stdout
    assert max(len(one["name"]) for one in json.loads(listed)) == 100
