"""An image registry on loopback, where Docker does not insist on TLS."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request

import docker

from .processes import end, free_port, launch, program
from .run import Run
from .waiting import eventually


class Registry:
    """``address`` is the first part of its images' names."""

    def __init__(self, run: Run, name: str = "registry") -> None:
        self._run = run
        self.folder = run.folder / name
        self.address = f"127.0.0.1:{free_port()}"
        self.log_file = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = program("docker-registry", "docker-registry")
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "config.yml"
        settings = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}},
            "http": {"addr": self.address},
        }
        config.write_text(json.dumps(settings))  # JSON is YAML
        self._process = launch(
            [command, "serve", str(config)], self.log_file, self._run.environment()
        )
        eventually(self._answers, 60, "an answer of the registry")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"docker-registry ended at once:\n{self.log_file.read_text()}")
        try:
            with urllib.request.urlopen(f"http://{self.address}/v2/", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def push(self, client: docker.DockerClient, image: str) -> str:
        """Push ``image``; returns the name to pull, which the engine does not know any more."""
        repository, _, tag = f"{self.address}/{image}".rpartition(":")
        client.images.get(image).tag(repository, tag)
        steps = client.api.push(repository, tag)  # as a stream, it would leak its socket
        if '"error"' in steps:
            raise RuntimeError(f"push of {image}: {steps}")
        client.api.remove_image(f"{repository}:{tag}")
        return f"{repository}:{tag}"

    def stop(self) -> None:
        if self._process:
            end(self._process, signal.SIGTERM, 10)
            self._process = None
