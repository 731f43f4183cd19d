"""One Docker engine, through docker-py."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import gevent
from docker import APIClient
from docker.errors import APIError, NotFound
from docker.types import LogConfig, Mount

from ..config import Config
from ..errors import RuntimeUnavailable
from . import images
from .attach import HijackedStream
from .base import ContainerInfo, ContainerSpec, Report
from .client import connect
from .translate import translated

INSTALLATION, DOCKBOX = "dockbox.installation", "dockbox.id"
CALL_TIMEOUT = 60  # seconds that one call to the engine may take
# Bytes of a short line.  Docker's log (``local``) needs about 30 more for each; and asked for so
# many lines, an engine with a log of long ones does not read all of it.
LINE = 16

# What builds, `apt-get install` and `su` need of Docker's default set; not NET_RAW (ping works
# without, by net.ipv4.ping_group_range), MKNOD, SETFCAP, SETPCAP, SYS_CHROOT, AUDIT_WRITE.
CAPABILITIES = [
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID",
]  # fmt: skip

# The shell that comes back however it ends.  Job control (-m) takes the terminal back from one
# that was killed, and stty its settings.  A hang-up ends the loop once it has ended the shell; not
# before all the rest has ended, whose time is the grace, since nothing outlives the first process
# (here: init, and this one).  umask: the server's group may change what is made.
SHELL = """
hangup() { while set -- /proc/[0-9]*; [ $# -gt 2 ]; do sleep .1 || sleep 1; done; exit; }
trap hangup HUP; trap : INT QUIT; umask 002; set -m
if command -v bash >/dev/null 2>&1; then shell=bash; else shell=sh; fi
while :; do $shell; stty sane 2>/dev/null; sleep .1 || sleep 1; done
"""
ENVIRONMENT = {
    "TERM": "xterm-256color",
    "LANG": "C.UTF-8",
    # /app belongs to the server's user, and git refuses other people's repositories
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}
# See terminal/marks.py.  By a pipe, since to a terminal a shell may write each line by itself, and
# other output would come in between.
MARK = r"printf '\033]dockbox;{}\n\033\\' | cat >/dev/console"
# A program draws again when the terminal's size changes; nothing else makes bash do it.  It must
# have the time to see the change.  Where a client sets a size meanwhile, that one stays.
REDRAW = """
exec </dev/console; set -- $(stty size 2>/dev/null); [ "${2:-0}" -gt 0 ] || set -- 24 80
wider=$(($2 + 1)); stty rows $1 cols $wider; sleep .1 || sleep 1
[ "$(stty size)" != "$1 $wider" ] || stty cols $2
"""
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

    def ensure_image(self, image: str, report: Report) -> None:
        limit = self._config.pull_timeout
        with gevent.Timeout(limit, RuntimeUnavailable("The image could not be pulled in time.")):
            with self._call(limit) as api:
                images.ensure(api, image, report)

    def create(self, spec: ContainerSpec) -> str:
        name = self._name(spec.dockbox_id)
        with self._call() as api:
            try:
                made = api.create_container(
                    spec.image, [], name=name, hostname="dockbox", user="0:0", tty=True,
                    stdin_open=True, entrypoint=["/bin/sh", "-c", SHELL], working_dir="/app",
                    environment=ENVIRONMENT, stop_signal="SIGHUP",
                    labels={INSTALLATION: self._installation, DOCKBOX: spec.dockbox_id},
                    host_config=self._host_config(api, spec.mount),
                )  # fmt: skip
            except APIError as error:
                if error.status_code != 409:
                    raise
                made = api.inspect_container(name)
            return str(made["Id"])

    def _host_config(self, api: APIClient, mount: Path) -> Any:
        config = self._config
        log = {"max-size": str(max(2 * config.scrollback_bytes, 65536)), "max-file": "2"}
        return api.create_host_config(
            mounts=[Mount("/app", str(mount), type="bind")],
            init=True,
            mem_limit=config.container_memory,
            memswap_limit=config.container_memory,  # no swap beyond the memory
            nano_cpus=int(config.container_cpus * 1e9),
            pids_limit=config.container_pids,
            cap_drop=["ALL"],
            cap_add=CAPABILITIES,
            security_opt=["no-new-privileges"],
            runtime=config.container_runtime or None,
            log_config=LogConfig(type="local", config={**log, "compress": "false"}),
        )

    def start(self, container: str) -> None:
        with self._call() as api:
            api.start(container)

    def stop(self, container: str, grace: int) -> None:
        with self._call(CALL_TIMEOUT + grace) as api, contextlib.suppress(NotFound):
            # The engine signals the first process only; a terminal that goes away tells all.
            with contextlib.suppress(APIError):
                self._exec(api, container, "kill -HUP -1")
            api.stop(container, timeout=grace)

    def remove(self, dockbox_id: str) -> None:
        with self._call() as api:
            try:
                api.remove_container(self._name(dockbox_id), v=True, force=True)
            except APIError as error:
                if error.status_code not in (404, 409):  # 409: being removed already
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

    def clear(self, image: str, mount: Path) -> None:
        command = ["/bin/sh", "-c", "cd /app && find . -mindepth 1 -delete || rm -rf /app/..?* *"]
        name = self._name(f"clear-{mount.name}")
        with self._call() as api:
            config = api.create_host_config(
                mounts=[Mount("/app", str(mount), type="bind")], network_mode="none",
                cap_drop=["ALL"], cap_add=["DAC_OVERRIDE", "FOWNER"],
            )  # fmt: skip
            with contextlib.suppress(NotFound):  # of a worker that was killed here
                api.remove_container(name, v=True, force=True)
            made = api.create_container(
                image, [], name=name, entrypoint=command, user="0:0", host_config=config,
                labels={INSTALLATION: self._installation},
            )  # fmt: skip
            try:
                api.start(made["Id"])
                api.wait(made["Id"], timeout=CALL_TIMEOUT)
            finally:
                with contextlib.suppress(APIError):
                    api.remove_container(made["Id"], v=True, force=True)

    @staticmethod
    def _name(dockbox_id: str) -> str:
        return f"dockbox-{dockbox_id}"
