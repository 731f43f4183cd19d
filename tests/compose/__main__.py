"""``make compose``: deploy/compose.yml does the main job, from an image that is built here.

Needs root, the ports 80, 443 and 8000, Debian's archive, PyPI and npm's registry; some minutes.
The engine is one of the tests', which leaves the host's rules alone; another may have had FORWARD
drop what it does not know, so the containers' bridge has a rule of its own while this runs.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dockbox.runtime.network import DEVICE
from tests.support import images
from tests.support.api import Api
from tests.support.callers import Caller
from tests.support.certificates import Authority
from tests.support.engine import Engine
from tests.support.processes import Missing, program
from tests.support.run import ROOT, Run
from tests.support.site import Site
from tests.support.waiting import eventually
from tests.support.world import tgz

from . import bases

PASSWORD = "a-password-of-the-tests"
USER = 10001  # of the image
PORTS = 80, 443, 8000  # of nginx, and of dockbox
PRIVATE = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"  # where the site may be, seen from a container


class Compose:
    """A copy of the checkout, and docker-compose in its ``deploy/``."""

    def __init__(self, run: Run, engine: Engine) -> None:
        self.run, self.engine, self.folder = run, engine, run.folder / "checkout"
        names = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(names, cwd=ROOT, check=True, capture_output=True, text=True)
        for name in filter(None, listed.stdout.split("\0")):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.folder / name)
        authority = Authority(run.folder / "authority")
        self.authority = str(authority.certificate)
        issued, tls = authority.issue("nginx", "serverAuth"), self.folder / "deploy/tls"
        tls.mkdir()
        shutil.copy(issued / "cert.pem", tls / "fullchain.pem")
        shutil.copy(issued / "key.pem", tls / "privkey.pem")
        mount = run.folder / "boxes"
        mount.mkdir()
        os.chown(mount, USER, USER)
        docker = engine.url.removeprefix("unix://")
        settings = {
            "DATABASE_PASSWORD": PASSWORD, "DOCKER_GID": os.stat(docker).st_gid,
            "MOUNT_POINT": mount, "BASE": bases.PYTHON, "POSTGRES_IMAGE": bases.POSTGRES,
            "NGINX_IMAGE": bases.NGINX, "COMPOSE_PROJECT_NAME": "dockbox",
            "ALLOWED_IMAGES": images.BASH, "PRIVATE_SOURCES": PRIVATE,
            "CONTAINER_NETWORK": run.network(engine.url),
        }  # fmt: skip
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "deploy/.env").write_text(text)
        self.bridge = run.bridge()
        run.forward(self.bridge)
        # what differs here: the engine's socket, how a build reaches the network, the bridge's
        # name, and what an engine without CAP_SYS_RESOURCE cannot give
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        dockbox = BUILD | {
            "volumes": [f"{docker}:/var/run/docker.sock"],
            "oom_score_adj": 0,
            "ulimits": {"nofile": most},
        }
        here = {
            "services": {"dockbox": dockbox, "migrate": BUILD},
            "networks": {"default": {"driver_opts": {DEVICE: self.bridge}}},
        }
        (self.folder / "deploy/here.yml").write_text(json.dumps(here))

    def __call__(self, *command: str, timeout: float = 900) -> str:
        """What ``docker-compose`` prints; raises ``RuntimeError`` with all of it if it fails."""
        files = ["-f", "compose.yml", "-f", "here.yml"]
        done = subprocess.run(
            [program("docker-compose", "docker-compose"), *files, *command],
            cwd=self.folder / "deploy", env=self.run.environment(DOCKER_HOST=self.engine.url),
            capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(
                f"docker-compose {command}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
        return done.stdout

    def flask(self, command: str) -> str:
        """What the operator's ``command`` prints in dockbox's container, whatever its exit code."""
        script = f"flask --app wsgi dockbox {command} || true"
        return self("exec", "-T", "dockbox", "sh", "-c", script)


BUILD = {"build": {"network": "host"}}


@contextmanager
def up(compose: Compose) -> Iterator[Api]:
    compose("build")
    try:
        compose("up", "-d", timeout=300)
        nginx = Api(443, compose.authority)
        eventually(lambda: answers(nginx), 60, "an answer of nginx", every=0.5)
        yield nginx
    except BaseException:
        print(compose("logs", "--no-color"), file=sys.stderr)
        raise
    finally:
        compose("down", "--volumes", timeout=120)


def answers(nginx: Api) -> bool:
    try:
        return bool(nginx.get("/ready", timeout=10).status_code == 200)
    except OSError:
        return False


def main_job(compose: Compose, nginx: Api, site: Site) -> None:
    ann = Caller(nginx, compose.flask("token create ann").strip())
    assert nginx.get("/metrics").status_code == 401
    assert ann.call("GET", "/metrics").status_code == 403
    site.files["/small.tar.gz"] = tgz({"top/main.py": "print('hello')\n"})
    answer = ann.call(
        "POST", "/v1/dockbox", json={"url": f"{site.url}/small.tar.gz", "image": images.BASH}
    )
    assert answer.status_code == 201, answer.text
    id = answer.json()["id"]
    with ann.connect(id) as terminal:
        assert terminal.run("ls; answer=42", timeout=30) == "main.py\n"
        assert terminal.run("seq 20000", timeout=30).split() == [str(n + 1) for n in range(20000)]
        began = time.monotonic()
        compose("restart", "--timeout", "40", "dockbox")
        print(f"restarted in {time.monotonic() - began:.1f} s")
        assert terminal.close_code(20)[0] == 1001
    eventually(lambda: answers(nginx), 60, "an answer after the restart", every=0.2)
    with ann.connect(id) as terminal:
        assert terminal.run('echo "[$answer]"', timeout=30) == "[42]\n"
    url = site.repository("project", {"main.py": "print('hello')\n"})
    again = ann.call("POST", "/v1/dockbox", json={"url": url, "image": images.BASH})
    assert again.status_code == 201, again.text
    for box in (id, again.json()["id"]):
        assert ann.call("DELETE", f"/v1/dockbox/{box}").status_code == 204
    print("the main job is done, through TLS, PostgreSQL and a restart")


def inspect(engine: Engine) -> None:
    """What the image is, and how its container runs."""
    api = engine.client().api
    print(f"the image has {api.inspect_image('dockbox')['Size'] / 1e6:.0f} MB,", end=" ")
    print(f"its base {api.inspect_image(bases.PYTHON)['Size'] / 1e6:.0f}")
    [container] = api.containers(filters={"label": "com.docker.compose.service=dockbox"})
    found = api.inspect_container(container["Id"])
    assert found["Config"]["User"] == "dockbox" and found["HostConfig"]["ReadonlyRootfs"]
    assert found["State"]["Health"]["Status"] == "healthy"
    processes = api.top(container["Id"], "-o pid,uid,args")["Processes"]
    assert all(uid == str(USER) and "gunicorn" in args for _, uid, args in processes), processes


def examine(compose: Compose) -> None:
    """Nothing is wrong, says ``doctor``, but what deploy/firewall is for (the host's rules stay),
    and that images of the packaged table cannot be pulled where no registry is reached."""
    findings = json.loads(compose.flask("doctor --json"))
    failures = [one for one in findings if one["state"] == "FAILS"]
    excused = "deploy/firewall", "IMAGES_FILE"
    assert all(any(word in one["todo"] for word in excused) for one in failures), failures


def need_ports() -> None:
    """Raises ``Missing`` if one of the ports that compose.yml publishes is taken."""
    for port in PORTS:
        try:
            socket.create_server(("", port)).close()
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise Missing(f"Port {port} cannot be had: {why}.") from None


def main() -> int:
    run = Run()
    engine = Engine(run)
    try:
        need_ports()
        engine.start()
        engine.import_images()
        bases.make(engine, run.folder)
        compose = Compose(run, engine)
        with up(compose) as nginx:
            [network] = engine.client().api.inspect_network("dockbox_default")["IPAM"]["Config"]
            site = Site(run.folder / "site", network["Gateway"])
            try:
                inspect(engine)
                examine(compose)
                main_job(compose, nginx, site)
            finally:
                site.close()
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    finally:
        engine.close()
        run.close()
    return 0


sys.exit(main())
