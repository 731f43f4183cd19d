"""With ``AUTH=none``: a share still says what its holder may do."""

from __future__ import annotations

import pytest
import websocket

from ..conftest import MakeServer
from ..support.callers import Caller, hello
from ..support.server import Server
from ..support.terminal import Terminal


def heard(viewer: Terminal) -> None:
    """Wait until what the viewer has sent is in the shell, or thrown away."""
    viewer.socket.ping("")
    while viewer.socket.recv_data(control_frame=True)[0] != websocket.ABNF.OPCODE_PONG:
        pass


def test_a_share_binds_its_holder_even_where_others_may_do_all(shared: Server, box: str) -> None:
    made = shared.post(f"/v1/dockbox/{box}/shares", json={"kind": "view"}).json()
    guest = Caller(shared, made["secret"])
    assert guest.call("GET", f"/v1/dockbox/{box}").status_code == 200
    assert guest.call("POST", f"/v1/dockbox/{box}/stop").status_code == 403
    with shared.connect(box) as owner, guest.connect(box) as viewer:
        owner.run("echo here")
        viewer.read_until(b"here")
        viewer.send(b"x=evil\r")
        heard(viewer)
        assert owner.run("echo fine-$x") == "fine-\n"
    assert shared.delete(f"/v1/dockbox/{box}/shares/{made['id']}").status_code == 204
    assert guest.call("GET", f"/v1/dockbox/{box}").status_code == 401


def test_a_shares_ticket_binds_as_well(shared: Server, box: str) -> None:
    """It is how a browser's page comes with a share."""
    made = shared.post(f"/v1/dockbox/{box}/shares", json={"kind": "view"}).json()
    guest = Caller(shared, made["secret"])
    ticket = guest.call("POST", f"/v1/dockbox/{box}/ticket").json()["ticket"]
    with shared.connect(box) as owner, shared.connect(box, f"ticket={ticket}") as viewer:
        owner.run("echo here")
        viewer.read_until(b"here")
        viewer.send(b"x=evil\r")
        heard(viewer)
        assert owner.run("echo fine-$x") == "fine-\n"
        shared.delete(f"/v1/dockbox/{box}/shares/{made['id']}")
        assert viewer.close_code(20) == (1008, "This is not shared with you any more.")


def test_a_share_in_the_first_message_binds_as_well(shared: Server, box: str) -> None:
    made = shared.post(f"/v1/dockbox/{box}/shares", json={"kind": "view"}).json()
    with shared.connect(box) as owner, hello(shared, box, made["secret"]) as viewer:
        owner.run("echo here")
        viewer.read_until(b"here")
        viewer.socket.send_binary(b"0x=evil\r")
        heard(viewer)
        assert owner.run("echo fine-$x") == "fine-\n"
        shared.delete(f"/v1/dockbox/{box}/shares/{made['id']}")
        assert viewer.close_code(20) == (1008, "This is not shared with you any more.")
    with hello(shared, box, made["secret"]) as late:
        assert late.close_code()[0] == 1008
    with hello(shared, box, "whatever a client of ttyd sends") as anybody:
        anybody.read_until(b"# ")


def test_a_session_is_there_for_everybody(shared: Server) -> None:
    assert shared.get("/v1/session").json() == {"auth": "none", "token": None, "admin": True}


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "evil.example."])
def test_a_page_whose_name_was_made_to_lead_here_gets_nothing(
    shared: Server, box: str, name: str
) -> None:
    host = f"{name}:{shared.port}"
    headers = {"Host": host, "Origin": f"http://{host}"}
    for method, path in (
        ("GET", "/v1/dockbox"), ("GET", f"/v1/dockbox/{box}"), ("POST", f"/v1/dockbox/{box}/stop"),
        ("DELETE", f"/v1/dockbox/{box}"), ("GET", "/metrics"),
    ):  # fmt: skip
        answer = shared.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "host_not_allowed")
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        shared.connect(box, host=host, origin=f"http://{host}")
    assert refused.value.status_code == 403
    assert shared.get("/health", headers=headers).status_code == 200


def test_names_that_only_this_network_knows_are_fine(make_server: MakeServer) -> None:
    server = make_server(allowed_origins="https://boxes.example")
    for name in ("localhost", "box", "box.local", "[::1]", "10.1.2.3", "a.localhost"):
        answer = server.get("/v1/dockbox", headers={"Host": f"{name}:{server.port}"})
        assert (name, answer.status_code) == (name, 200)
    assert server.get("/v1/dockbox", headers={"Host": "boxes.example"}).status_code == 200
    assert server.get("/v1/dockbox", headers={"Host": "other.example"}).status_code == 403
