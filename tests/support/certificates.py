"""Certificates for an engine behind TLS, made by the openssl command."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .processes import program


class Authority:
    """A certificate authority in a folder; makes others with the names that Docker expects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.certificate, self._key = folder / "ca.pem", folder / "ca-key.pem"
        _openssl(
            "req", "-x509", "-subj", "/CN=tests", "-addext", "keyUsage=critical,keyCertSign",
            *_new(self._key, self.certificate),
        )  # fmt: skip

    def issue(self, name: str, usage: str) -> Path:
        """A folder with ca.pem, cert.pem and key.pem for 127.0.0.1; ``usage`` as x509 has it."""
        made = self.folder / name
        made.mkdir()
        (made / "ca.pem").write_bytes(self.certificate.read_bytes())
        _openssl(
            "req", "-x509", "-subj", f"/CN={name}", "-CA", str(self.certificate),
            "-CAkey", str(self._key), "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "subjectAltName=IP:127.0.0.1", "-addext", f"extendedKeyUsage={usage}",
            *_new(made / "key.pem", made / "cert.pem"),
        )  # fmt: skip
        return made


def options(folder: Path, port: int) -> list[str]:
    """What makes dockerd listen with TLS, and ask its clients for a certificate as well."""
    return [
        "--host", f"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", f"{folder}/ca.pem",
        "--tlscert", f"{folder}/cert.pem", "--tlskey", f"{folder}/key.pem",
    ]  # fmt: skip


def _new(key: Path, certificate: Path) -> list[str]:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    return [*curve, "-keyout", str(key), "-out", str(certificate)]


def _openssl(*args: str) -> None:
    subprocess.run([program("openssl", "openssl"), *args], check=True, capture_output=True)
