"""TEMPORARY"""

from ..support.waiting import eventually


def test_server(server, site):
    url = site.repository("hello", {"main.py": "print('hello')\n"})
    box = server.create(url)
    print(box)
    with server.connect(box["id"]) as t, server.connect(box["id"], "rows=40&cols=100") as u:
        assert t.run("cat main.py") == "print('hello')\n"
        print(u.run("stty size; echo $0; head -c 300000 /dev/zero | tr '\\0' x | wc -c"))
        print(u.run("pwd; ls -la"))
    server.wait_state(box["id"], "stopped")
    assert len(server.worker_pids()) == 2
    t = server.connect(box["id"])
    server.post(f"/v1/dockbox/{box['id']}/stop")
    print(t.close_code())
    t.close()
    server.restart()
    assert server.box(box["id"])["state"] == "stopped"
