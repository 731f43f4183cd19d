"""What a dockbox's container is made of: its process, its limits, the scripts that run in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docker.types import LogConfig, Mount, Ulimit

from ..config import Config

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
# Where the host itself runs short of memory, a process in a dockbox is ended before the server,
# Docker or the database.
ENDED_FIRST = 500
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


def process(image: str) -> dict[str, Any]:
    """What ``create_container`` of docker-py takes: a shell on a terminal, in ``/app``."""
    return {
        "image": image, "command": [], "entrypoint": ["/bin/sh", "-c", SHELL],
        "environment": ENVIRONMENT, "hostname": "dockbox", "user": "0:0", "tty": True,
        "stdin_open": True, "working_dir": "/app", "stop_signal": "SIGHUP",
    }  # fmt: skip


def limits(mount: Path, config: Config) -> dict[str, Any]:
    """What ``create_host_config`` of docker-py takes: what it may use, and what it may not do.

    ``mount`` on the engine's host is its ``/app``.
    """
    log = {"max-size": str(max(2 * config.scrollback_bytes, 65536)), "max-file": "2"}
    return {
        "mounts": [Mount("/app", str(mount), type="bind")],
        "network_mode": config.container_network,
        "init": True,
        "mem_limit": config.container_memory,
        "memswap_limit": config.container_memory,  # no swap beyond the memory
        "nano_cpus": int(config.container_cpus * 1e9),
        "pids_limit": config.container_pids,
        "ulimits": [
            Ulimit(name="nofile", soft=config.container_files, hard=config.container_files),
            Ulimit(name="core", soft=0, hard=0),  # where they go is for the host to say
        ],
        "oom_score_adj": ENDED_FIRST,
        "cap_drop": ["ALL"],
        "cap_add": CAPABILITIES,
        "security_opt": ["no-new-privileges"],
        "runtime": config.container_runtime or None,
        "log_config": LogConfig(type="local", config={**log, "compress": "false"}),
    }
