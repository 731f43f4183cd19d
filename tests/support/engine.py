"""A Docker engine of the tests' own, beside whatever else runs on this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import docker
from docker.errors import APIError, DockerException

from . import images
from .processes import children, end, kill, launch, need_root, program
from .run import Run
from .waiting import eventually

START_TIMEOUT = 60


class Engine:
    """dockerd, with data, socket and network bridge of its own; in the host's network namespace,
    so that 127.0.0.1 (a registry) is the same for it and the tests.
    """

    def __init__(self, run: Run, name: str = "engine", options: Sequence[str] = ()) -> None:
        self._run, self.options = run, options  # dockerd's, besides those that all have
        self.folder = run.folder / name
        self.url = f"unix://{self.folder}/sock"
        self.log_file = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if not self.folder.exists():
            need_root("the tests' own Docker engine")
            program("containerd", "docker.io")
            self.folder.mkdir()
            (self.folder / "daemon.json").write_text("{}")  # not the one in /etc
            self._bridge = _bridge(self._run.bridge())
        self._process = launch(self._command(), self.log_file, self._run.environment())
        eventually(self._answers, START_TIMEOUT, f"an answer of dockerd\n{self.log()}")

    def _command(self) -> list[str]:
        at = self.folder
        return [
            program("dockerd", "docker.io"), "--host", self.url, "--data-root", f"{at}/data",
            "--exec-root", f"{at}/exec", "--pidfile", f"{at}/pid", "--shutdown-timeout", "5",
            "--config-file", f"{at}/daemon.json", "--bridge", self._bridge,
            # no container needs to reach anything, and the host's rules stay as they are
            "--iptables=false", "--ip-masq=false", "--ip-forward=false", *self.options,
        ]  # fmt: skip

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"dockerd ended at once:\n{self.log()}")
        # docker-py leaks a socket when it cannot connect
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(self.url.removeprefix("unix://"))
            return bool(self.client().ping())
        return False

    def stop(self) -> None:
        """As an operator would: its containers end too."""
        if self._process:
            self.client().close()  # or docker-py leaks its pooled sockets
            end(self._process, signal.SIGTERM, 30)
            self._process = None

    def kill(self) -> None:
        """As a crash would: no chance to tidy up; the containers' processes go on."""
        if self._process:
            self.client().close()
            kill([self._process.pid, *children(self._process.pid)])
            self._process.wait()
            self._process = None
            # or the next dockerd may take a zombie, not reaped yet, for a containerd that runs
            (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        if self._process:
            with contextlib.suppress(DockerException, OSError):
                self.clear()
        self.stop()

    @cached_property
    def _client(self) -> docker.DockerClient:
        return docker.DockerClient(self.url, version="1.41", timeout=60)

    def client(self) -> docker.DockerClient:
        return self._client

    def import_images(self) -> None:
        for name in images.BASE:
            self.import_image(name, name)

    def import_image(
        self, name: str, base: str = images.BASH, extra: Mapping[str, bytes] | None = None
    ) -> str:
        """Make an image ``name`` that is like ``base`` but holds ``extra`` files; returns it."""
        repository, _, tag = name.rpartition(":")
        content = images.archive(base, extra)
        self.client().api.import_image_from_data(content, repository=repository, tag=tag)
        return name

    def run(self, image: str, *command: str) -> bytes:
        """What ``command`` prints in a new container (docker-py's own ``run`` leaks a socket)."""
        container = self.client().containers.create(image, list(command), network_mode="none")
        try:
            container.start()
            container.wait(timeout=60)
            return bytes(container.logs())
        finally:
            container.remove(force=True)

    def containers(self, name: str = "", *, all: bool = True) -> dict[str, str]:
        """The id by the name of each container whose name contains ``name``.

        docker-py's own ``containers.list`` asks for each again, and fails at one gone by then.
        """
        found = self.client().api.containers(all=all, filters={"name": name} if name else None)
        return {one["Names"][0].removeprefix("/"): one["Id"] for one in found}

    def clear(self) -> None:
        """Remove all containers and networks, and all images but those that every test expects."""
        api = self.client().api
        for container in api.containers(all=True):
            with contextlib.suppress(APIError):
                api.remove_container(container["Id"], v=True, force=True)
        for network in api.networks(filters={"type": "custom"}):
            with contextlib.suppress(APIError):
                api.remove_network(network["Id"])
        for image in api.images():
            for tag in image["RepoTags"] or [image["Id"]]:
                if tag not in images.BASE:
                    with contextlib.suppress(APIError):
                        api.remove_image(tag, force=True)

    def state(self) -> str:
        """For a failed test's report: every container and the end of its log."""
        api, lines = self.client().api, []
        for container in api.containers(all=True):
            tail = api.logs(container["Id"], tail=15).decode(errors="replace")
            lines.append(f"{container['Names']} {container['Image']} {container['Status']}\n{tail}")
        return "\n".join(lines) or "no containers"

    def log(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-20:])


def _bridge(name: str) -> str:
    """A network bridge with an address range that no other device has."""
    devices: list[dict[str, Any]] = json.loads(_ip("-json", "-4", "address"))
    used = [
        ipaddress.ip_interface(f"{address['local']}/{address['prefixlen']}").network
        for device in devices
        for address in device.get("addr_info", [])
    ]
    spare = [f"172.31.{i}.1/24" for i in range(201, 250)] + [f"10.213.{i}.1/24" for i in range(250)]
    address = next(
        text
        for text in spare
        if not any(net.overlaps(ipaddress.ip_interface(text).network) for net in used)
    )
    _ip("link", "add", name, "type", "bridge")
    _ip("address", "add", address, "dev", name)
    _ip("link", "set", name, "up")
    return name


def _ip(*args: str) -> str:
    command = [program("ip", "iproute2"), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
