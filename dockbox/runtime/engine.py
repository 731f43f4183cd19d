"""One Docker engine, through docker-py."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import gevent
from docker import APIClient
from docker.errors import APIError, NotFound

from ..config import Config
from ..errors import RuntimeUnavailable
from . import chores, network, storage
from .attach import HijackedStream
from .base import ContainerInfo, ContainerSpec, Report, Written
from .client import connect
from .container import MARK, REDRAW, limits, process
from .images import Pulls
from .translate import translated

INSTALLATION, DOCKBOX = "dockbox.installation", "dockbox.id"
NOT_MODIFIED = 304
CALL_TIMEOUT = 60  # seconds that one call to the engine may take
# Bytes of a short line.  Docker's log (``local``) needs about 30 more for each; and asked for so
# many lines, an engine with a log of long ones does not read all of it.
LINE = 16

# Docker's detach keys cannot be switched off.  Neither byte occurs in UTF-8, so nobody types them.
# Docker holds back the first, typed alone, until the next byte comes, and where two or more were
# typed one by one it may repeat one in place of the next byte (seen with 20.10).
DETACH_KEYS = ",".join(b.decode("latin-1") for b in (b"\xff", b"\xc0") * 8)


class Engine:
    """The runtime ``engine``.

    ``installation`` gives the label that tells our containers from those of others.
    """

    def __init__(self, config: Config, installation: Callable[[], str]) -> None:
        self._config = config
        self._find_installation = installation
        self._lock = threading.Lock()  # guards _api
        self._api: APIClient | None = None
        self._pulls = Pulls(config)

    def _client(self, timeout: float = CALL_TIMEOUT) -> APIClient:
        """docker-py's client, made at the first use, since it asks the engine for its version."""
        if self._api is None:
            api = connect(self._config, timeout)
            api.timeout = CALL_TIMEOUT
            with self._lock:
                self._api = self._api or api
        return self._api

    @cached_property
    def _installation(self) -> str:
        return self._find_installation()

    @contextmanager
    def _call(self, seconds: float = CALL_TIMEOUT) -> Iterator[APIClient]:
        """A client for calls that end, one way or the other, within ``seconds``."""
        with gevent.Timeout(seconds, RuntimeUnavailable()), translated():
            yield self._client(seconds)

    def ping(self, timeout: float) -> None:
        with self._call(timeout) as api:
            api.ping()

    def ensure_image(self, image: str, report: Report, anew: bool = False) -> bool:
        return self._pulls.ensure(self._call, image, report, anew)

    def image_is_idle(self, image: str) -> bool | None:
        with self._call() as api:
            return storage.is_idle(api, image)

    def remove_image(self, image: str) -> bool:
        with self._call() as api:
            return storage.remove(api, image)

    def disk(self, image: str) -> float:
        with self._call() as api:
            labels = {INSTALLATION: self._installation}
            return storage.engine_filled(api, self._config, self._name("disk"), labels, image)

    def create(self, spec: ContainerSpec) -> str:
        name = self._name(spec.dockbox_id)
        with self._call() as api:
            network.ensure(api, self._config.container_network)
            try:
                made = api.create_container(
                    **process(spec.image), name=name,
                    labels={INSTALLATION: self._installation, DOCKBOX: spec.dockbox_id},
                    host_config=api.create_host_config(**limits(spec.mount, self._config)),
                )  # fmt: skip
            except APIError as error:
                if error.status_code != 409:
                    raise
                made = api.inspect_container(name)
            return str(made["Id"])

    def start(self, container: str) -> bool:
        with self._call() as api:
            try:
                return self._start(api, container)
            except NotFound as error:
                if not network.is_missing(error):
                    raise
                network.rejoin(api, container, self._config.container_network)
                return self._start(api, container)

    @staticmethod
    def _start(api: APIClient, container: str) -> bool:
        # by hand what start does, which does not tell whether it runs already
        answer = api.post(api._url("/containers/{0}/start", container), timeout=CALL_TIMEOUT)
        api._raise_for_status(answer)
        return int(answer.status_code) != NOT_MODIFIED

    def stop(self, container: str, grace: int) -> None:
        with self._call(CALL_TIMEOUT + grace) as api, contextlib.suppress(NotFound):
            # The engine signals the first process only; a terminal that goes away tells all.
            with contextlib.suppress(APIError):
                self._exec(api, container, "kill -HUP -1")
            api.stop(container, timeout=grace)

    def remove(self, dockbox_id: str, force: bool = True) -> None:
        with self._call() as api:
            try:
                api.remove_container(self._name(dockbox_id), v=True, force=force)
            except APIError as error:
                going = force or "in progress" in str(error.explanation)  # it is being removed
                if error.status_code != 404 and not (error.status_code == 409 and going):
                    raise

    def attach(self, container: str) -> HijackedStream:
        params = {
            "stdin": 1, "stdout": 1, "stderr": 1, "stream": 1,
            "detachKeys": DETACH_KEYS.encode("latin-1"),
        }  # fmt: skip
        with self._call() as api:
            # by hand what attach_socket does, since the response must be closed as well
            answer = api.post(
                api._url("/containers/{0}/attach", container), None, params=params, stream=True,
                headers={"Connection": "Upgrade", "Upgrade": "tcp"}, timeout=CALL_TIMEOUT,
            )  # fmt: skip
            return HijackedStream(
                api._get_raw_response_socket(answer), answer, self._config.ping_interval
            )

    def recent(self, container: str) -> bytes:
        params = {"stdout": 1, "stderr": 1, "tail": self._config.scrollback_bytes // LINE}
        with self._call() as api:
            # by hand what logs does, which would inspect the container before
            answer = api.get(
                api._url("/containers/{0}/logs", container), params=params, timeout=CALL_TIMEOUT
            )
            api._raise_for_status(answer)
            return bytes(answer.content)

    def resize(self, container: str, rows: int, cols: int) -> None:
        with self._call() as api:
            api.resize(container, height=rows, width=cols)

    def mark(self, container: str, token: str) -> None:
        with self._call() as api:
            self._exec(api, container, MARK.format(token))

    def redraw(self, container: str) -> None:
        with self._call() as api:
            self._exec(api, container, REDRAW)

    @staticmethod
    def _exec(api: APIClient, container: str, script: str) -> None:
        made = api.exec_create(container, ["/bin/sh", "-c", script], user="0")
        api.exec_start(made["Id"], detach=True)

    def inspect(self, container: str) -> ContainerInfo:
        with self._call() as api:
            found = api.inspect_container(container)
        state, labels = found["State"], found["Config"]["Labels"] or {}
        running = bool(state["Running"])
        code = None if running else int(state["ExitCode"])
        return ContainerInfo(found["Id"], labels.get(DOCKBOX, ""), running, code)

    def list(self) -> list[ContainerInfo]:
        with self._call() as api:
            label = f"{INSTALLATION}={self._installation}"
            found = api.containers(all=True, filters={"label": label})
        return [
            ContainerInfo(item["Id"], item["Labels"][DOCKBOX], item["State"] == "running")
            for item in found
            if DOCKBOX in item["Labels"]
        ]

    def written(self, container: str) -> Written:
        with self._call() as api:
            # by hand what inspect_container does, which does not ask for the size
            answer = api.get(
                api._url("/containers/{0}/json", container),
                params={"size": 1},
                timeout=CALL_TIMEOUT,
            )
            found = api._result(answer, True)
        volumes = [mount["Name"] for mount in found["Mounts"] if mount["Type"] == "volume"]
        return Written(int(found.get("SizeRw") or 0), tuple(volumes))

    def count(self, image: str, mount: Path, volumes: Sequence[str]) -> tuple[int, int]:
        name, labels = self._name(f"count-{mount.name}"), {INSTALLATION: self._installation}
        with self._call() as api:
            return chores.count(api, name, labels, image, mount, volumes)

    def clear(self, image: str, mount: Path) -> None:
        name, labels = self._name(f"clear-{mount.name}"), {INSTALLATION: self._installation}
        with self._call() as api:
            chores.clear(api, name, labels, image, mount)

    @staticmethod
    def _name(dockbox_id: str) -> str:
        return f"dockbox-{dockbox_id}"
