"""deploy/cloudformation/certificates: servers and engine know each other, and nobody else."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from ..support.processes import program
from ..support.template import FOLDER, TEMPLATE

ENGINE = TEMPLATE["Mappings"]["Names"]["Engine"]["Host"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program("openssl", "openssl")
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([FOLDER / "certificates", folder, ENGINE], check=True, timeout=60)
    return folder


def context(folder: Path, purpose: ssl.Purpose) -> ssl.SSLContext:
    """As Docker and docker-py have it: both sides show a certificate of the authority."""
    made = ssl.create_default_context(purpose, cafile=str(folder / "ca.pem"))
    made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def shake_hands(engine: Path, server: Path, name: str) -> None:
    """Raises ``ssl.SSLError`` of the side that does not agree."""
    to_engine, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = context(engine, ssl.Purpose.CLIENT_AUTH)
    other = context(server, ssl.Purpose.SERVER_AUTH)
    engine_side = one.wrap_bio(to_engine, to_server, server_side=True)
    server_side = other.wrap_bio(to_server, to_engine, server_hostname=name)
    for side in [server_side, engine_side] * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()


def test_the_certificates_let_servers_and_engine_know_each_other(certificates: Path) -> None:
    engine, servers = certificates / "engine", certificates / "servers"
    shake_hands(engine, servers, ENGINE)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(engine, servers, "another.dockbox.internal")
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        shake_hands(servers, servers, ENGINE)
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        shake_hands(engine, engine, ENGINE)


def test_renewed_certificates_agree_with_those_before(certificates: Path, tmp_path: Path) -> None:
    before = shutil.copytree(certificates / "servers", tmp_path / "before")
    subprocess.run([FOLDER / "certificates", certificates, ENGINE], check=True, timeout=60)
    assert (before / "cert.pem").read_bytes() != (certificates / "servers/cert.pem").read_bytes()
    shake_hands(certificates / "engine", before, ENGINE)


def test_nobody_else_reads_a_key(certificates: Path) -> None:
    for file in certificates.rglob("*"):
        assert file.stat().st_mode & 0o077 == 0, file
