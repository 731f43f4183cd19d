"""A Docker engine on a host of its own: network namespaces, so that this machine's rules stay.

``Lab`` is that host and an outside with what containers must not reach, all real sockets::

    containers -- their network -- host -- outside: the internet, a cloud's metadata, a database
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from dockbox.runtime import network

from .engine import Engine
from .processes import launch, program
from .run import ROOT, Run
from .waiting import eventually

# Of the outside, which answers at each at all PORTS.
PUBLIC, METADATA, DATABASE, CGNAT = "93.184.215.14", "169.254.169.254", "10.9.0.5", "100.64.9.5"
# Of the host, which answers at all of its own as well; the first stands for its public one.
HOST, INSIDE = "93.184.215.1", "10.9.0.1"
PUBLIC6, HOST6 = "2a0e:97c0:dead::14", "2a0e:97c0:dead::1"
PRIVATE6 = "fd00:9::5"
SUBNET6, GATEWAY6 = "2a0e:97c0:beef::/64", "2a0e:97c0:beef::1"  # of containers
PORTS = (53, 80, 2375, 5432)
ANSWER = "here"
END = "<end of the output>"
SERVE = f"""
import socketserver, sys, threading
class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"{ANSWER}")
        self.request.shutdown(socketserver.socket.SHUT_WR)
        while self.request.recv(99): pass # what is not read resets the connection, answer and all
class Datagram(socketserver.BaseRequestHandler):
    def handle(self): self.request[1].sendto(b"{ANSWER}", self.client_address)
class TCP(socketserver.ThreadingTCPServer):
    allow_reuse_address, address_family = True, socketserver.socket.AF_INET6
class UDP(socketserver.UDPServer):
    address_family = socketserver.socket.AF_INET6
for port in map(int, sys.argv[1:]):
    for server in (TCP(("::", port), Answer), UDP(("::", port), Datagram)):
        threading.Thread(target=server.serve_forever).start()
"""


class Namespace:
    """A network namespace, which lives as long as a process of this run."""

    def __init__(self, run: Run, name: str) -> None:
        self._run, self._name = run, name
        command = [program("unshare", "util-linux"), "--net", "sleep", "infinity"]
        holder = launch(command, run.folder / f"{name}.log", run.environment())
        self._processes, self.pid = [holder], holder.pid
        eventually(self._is_apart, 10, f"the namespace {name}")
        self.run("ip", "link", "set", "lo", "up")

    def _is_apart(self) -> bool:
        with contextlib.suppress(OSError):
            own, theirs = (Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", self.pid))
            return own != theirs
        return False

    def inside(self, *command: str) -> list[str]:
        """``command`` as one that runs in it; not by ``ip netns exec``, which hides cgroups."""
        return [program("nsenter", "util-linux"), f"--net=/proc/{self.pid}/ns/net", *command]

    def run(self, *command: str, fails: bool = False, **more: str) -> str:
        """Run ``command`` in it to its end; what it prints.  ``more`` is for its environment."""
        done = subprocess.run(
            self.inside(*command), capture_output=True, text=True, timeout=90, cwd=ROOT,
            env=self._run.environment(**more), check=False,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, (command, done.stdout, done.stderr)
        return done.stdout

    def serve(self, ports: Sequence[int]) -> None:
        """Answer at these, at all of its addresses."""
        command = self.inside(sys.executable, "-c", SERVE, *map(str, ports))
        log = self._run.folder / f"{self._name}.log"
        self._processes.append(launch(command, log, self._run.environment()))
        for port in ports:
            here = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
            eventually(lambda here=here: self._does(here), 10, f"{self._name} at {port}")

    def address(self, device: str, *addresses: str) -> None:
        """Give the device these, and switch it on."""
        self.run("ip", "link", "set", device, "up")
        for address in addresses:
            at_once = ["nodad"] if ":" in address else []
            self.run("ip", "address", "add", address, "dev", device, *at_once)

    def _does(self, script: str) -> bool:
        command = self.inside("bash", "-c", script)
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()


class Housed(Engine):
    """dockerd in a namespace, with iptables; without Docker's default network."""

    def __init__(self, run: Run, host: Namespace, options: Sequence[str] = ()) -> None:
        # the tests of the lab may be left, with all that it has, and come back to
        super().__init__(run, f"housed{len([*run.folder.glob('housed*')])}", options)
        self._host = host

    def _command(self) -> list[str]:
        left_out = "--bridge", "--iptables=", "--ip-"
        command = super()._command()
        at = command.index("--bridge")
        own = command[:at] + [part for part in command[at + 2 :] if not part.startswith(left_out)]
        return self._host.inside(*own, "--bridge", "none")


class Lab:
    """``device`` is the name of the containers' network and of its device."""

    def __init__(self, run: Run) -> None:
        self.device = "dockbox"
        self.host, self.outside = Namespace(run, "host"), Namespace(run, "outside")
        self._connect()
        self.engine = Housed(run, self.host)
        for namespace in (self.host, self.outside):
            namespace.serve(PORTS)

    def _connect(self) -> None:
        self.host.run(
            "ip", "link", "add", "up0", "type", "veth", "peer", "name", "down0",
            "netns", str(self.outside.pid),
        )  # fmt: skip
        self.host.address("up0", f"{HOST}/24", f"{INSIDE}/24", "100.64.9.1/24", f"{HOST6}/64")
        outside = (f"{PUBLIC}/24", f"{DATABASE}/24", f"{CGNAT}/24", f"{METADATA}/32")
        self.outside.address("down0", *outside, f"{PUBLIC6}/64", f"{PRIVATE6}/64")
        self.host.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        # every refusal at once; by default a kernel answers only some of many, and others wait
        self.host.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        self.host.run("ip", "route", "add", "fd00:9::/64", "dev", "up0")
        self.outside.run("ip", "route", "add", SUBNET6, "via", HOST6)
        self.host.run("ip", "route", "add", METADATA, "dev", "up0")
        self.host.run("ip", "route", "add", "default", "via", PUBLIC)

    def bridge(self, icc: bool = False, ipv6: bool = False) -> None:
        """Make the containers' network anew, as an operator may."""
        self.unbridge()
        pools = [IPAMPool(subnet="172.30.0.0/24")]
        pools += [IPAMPool(subnet=SUBNET6, gateway=GATEWAY6)] if ipv6 else []
        self.engine.client().api.create_network(
            self.device, driver="bridge", enable_ipv6=ipv6, ipam=IPAMConfig(pool_configs=pools),
            options={network.ICC: str(icc).lower(), network.DEVICE: self.device},
        )  # fmt: skip

    def unbridge(self) -> None:
        """Remove the containers' network, if there is one."""
        with contextlib.suppress(NotFound):
            self.engine.client().api.remove_network(self.device)

    def link_local(self) -> str:
        """The host's own IPv6 address on the containers' link."""
        said = self.host.run("ip", "-6", "address", "show", "dev", self.device, "scope", "link")
        return next(word.split("/")[0] for word in said.split() if word.startswith("fe80"))

    def firewall(self, *options: str, fails: bool = False) -> str:
        """deploy/firewall on the host; what it prints."""
        return self.host.run("deploy/firewall", *options, fails=fails)

    def close(self) -> None:
        self.engine.close()
        self.outside.close()
        self.host.close()


def execute(engine: Engine, container: str, script: str) -> tuple[int, str]:
    """Run ``script`` in a container, as its root; the exit code and all output.

    It runs again when Docker has lost what it printed (moby/moby#27289).
    """
    api: Any = engine.client().api
    whole = f"({script}\n) 2>&1; code=$?; echo '{END}'; exit $code"
    for _ in range(5):
        made = api.exec_create(container, ["/bin/sh", "-c", whole], user="0:0")["Id"]
        output, end, _ = api.exec_start(made).decode(errors="replace").rpartition(f"{END}\n")
        if end:
            return int(api.exec_inspect(made)["ExitCode"]), output
    raise AssertionError(f"{script!r} never came to its end")
