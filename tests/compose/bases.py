"""Images to build on, where none can be pulled: all of them from Debian's packages."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.support.engine import Engine
from tests.support.processes import program

PYTHON, POSTGRES, NGINX = "dockbox-test/python", "dockbox-test/postgres", "dockbox-test/nginx"
LEFT_OUT = "usr/share/doc", "usr/share/locale", "usr/share/man"  # of official images, too
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
INSTALL = "RUN apt-get update && apt-get install --yes --no-install-recommends"

# As the official images begin, as far as compose.yml needs it.
FILES = {
    POSTGRES: f"""
FROM {PYTHON}
{INSTALL} postgresql-15
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
RUN rm -rf $PGDATA && install -d -o postgres -g postgres $PGDATA
USER postgres
CMD ["sh", "-c", "if [ ! -e $PGDATA/PG_VERSION ]; then echo $POSTGRES_PASSWORD >/tmp/p && \
initdb -U $POSTGRES_USER --pwfile=/tmp/p -A scram-sha-256 && \
echo host all all all scram-sha-256 >>$PGDATA/pg_hba.conf && \
echo CREATE DATABASE $POSTGRES_DB | postgres --single postgres; fi; \
exec postgres -c listen_addresses=*"]
""",
    NGINX: f"""
FROM {PYTHON}
{INSTALL} nginx-light && rm /etc/nginx/sites-enabled/default
CMD ["nginx", "-g", "daemon off;"]
""",
}


def make(engine: Engine, folder: Path) -> None:
    """Give the engine the three images; takes a minute or two, and Debian's archive."""
    root = folder / "root"
    subprocess.run(
        [program("debootstrap", "debootstrap"), "--variant=minbase",
         "--include=python3,python3-venv,ca-certificates", "bookworm", root],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    for name in (*LEFT_OUT, "var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / name)
    excluded = "".join(f"path-exclude=/{name}/*\n" for name in LEFT_OUT)
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(excluded)
    # this machine's authorities, for networks that open TLS
    shutil.copy(f"/{AUTHORITIES}", root / AUTHORITIES)
    (root / "etc/pip.conf").write_text(f"[global]\ncert = /{AUTHORITIES}\n")
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout
        _import(engine, tar.stdout)
    for name, text in FILES.items():
        build(engine, name, text)


def _import(engine: Engine, content: object) -> None:
    subprocess.run(
        ["docker", "--host", engine.url, "import", "-", f"{PYTHON}:latest"],
        stdin=content, check=True, stdout=subprocess.DEVNULL,
    )  # type: ignore[call-overload]  # fmt: skip


def build(engine: Engine, name: str, text: str) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text.encode())
        tar.addfile(member, io.BytesIO(text.encode()))
    context.seek(0)
    api = engine.client().api
    lines = list(
        api.build(
            fileobj=context,
            custom_context=True,
            tag=name,
            network_mode="host",
            rm=True,
            decode=True,
            timeout=600,
        )
    )
    if any("error" in line for line in lines):
        raise RuntimeError("".join(str(line.get("stream") or line) for line in lines)[-3000:])
