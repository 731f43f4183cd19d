"""With ``AUTH=none``: a share still says what its holder may do."""

from __future__ import annotations

from ..support.callers import Caller
from ..support.server import Server


def test_a_share_binds_its_holder_even_where_others_may_do_all(shared: Server, box: str) -> None:
    made = shared.post(f"/v1/dockbox/{box}/shares", json={"kind": "view"}).json()
    guest = Caller(shared, made["secret"])
    assert guest.call("GET", f"/v1/dockbox/{box}").status_code == 200
    assert guest.call("POST", f"/v1/dockbox/{box}/stop").status_code == 403
    with shared.connect(box) as owner, guest.connect(box) as viewer:
        owner.run("echo here")
        viewer.read_until(b"here")
        viewer.send(b"echo evil\r")
        assert "evil" not in owner.run("echo fine")
    assert shared.delete(f"/v1/dockbox/{box}/shares/{made['id']}").status_code == 204
    assert guest.call("GET", f"/v1/dockbox/{box}").status_code == 401


def test_a_session_is_there_for_everybody(shared: Server) -> None:
    assert shared.get("/v1/session").json() == {"auth": "none", "token": None, "admin": True}
