"""Source URLs: what people paste, turned into what to fetch."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ..errors import BadSource, SourceForbidden
from .names import check_ref, check_subdir
from .pages import GIT_HOSTS, Page, read_page

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
DEFAULT_PORTS = {"https": 443, "http": 80, "ssh": 22}
SECRET = re.compile(r"(?i)token|key|secret|sig|pass|auth|cred|session|code|^x-(amz|goog|ms)-")
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
USER = re.compile(r"[A-Za-z0-9_][\w.+-]*", re.ASCII)  # of ssh, as an argument to it
SCP = re.compile(r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@(?P<host>[^:/@]+):(?P<path>[^/].*)")


@dataclass(frozen=True)
class SourceURL:
    """What to fetch.

    ``kind`` is ``git``, ``archive`` or ``http`` (only the content tells).  ``url`` may hold
    credentials and is therefore not in the repr; ``public_url`` never does.  ``port`` is ``None``
    for the scheme's default.  With ``ambiguous``, the border between ``ref`` and ``subdir`` is a
    guess that only the repository's list of refs can settle.
    """

    kind: str
    url: str = field(repr=False)
    public_url: str
    host: str
    port: int | None
    scheme: str
    ref: str | None = None
    subdir: str | None = None
    ambiguous: bool = False


def clean_host(host: str) -> str:
    """``host`` lower-case, ASCII, numeric spellings made canonical; raises ``BadSource``."""
    bare = host.strip("[]").rstrip(".").lower()
    if "%" in bare:  # an IPv6 address of one of this machine's links
        raise BadSource("The source's host name is not valid.")
    try:
        return str(ip_address(bare))
    except ValueError:
        pass
    try:
        bare = bare.encode("idna").decode("ascii")
    except UnicodeError:
        raise BadSource("The source's host name is not valid.") from None
    if re.fullmatch(r"\d+|0x[0-9a-f]*", bare.rpartition(".")[2]):
        # 0177.1 or 2130706433: what one library takes for a name is an address to another
        try:
            return socket.inet_ntoa(socket.inet_aton(bare))
        except OSError:
            raise BadSource("The source's host name is not valid.") from None
    if len(bare) > 253 or not all(LABEL.fullmatch(label) for label in bare.split(".")):
        raise BadSource("The source's host name is not valid.")
    return bare


def check_text(text: str) -> None:
    """Raise ``BadSource`` for text that no URL has: too long, spaces, control characters."""
    if not text or len(text) > 2048:
        raise BadSource("A source URL has between 1 and 2048 characters.")
    if text.startswith("-") or "\\" in text or " " in text or not text.isprintable():
        raise BadSource("The source URL has characters that are not allowed.")


def split(text: str) -> tuple[str, str, int | None, str, str, str]:
    """scheme, clean host, port (``None``: default), userinfo, path and query of an absolute URL.

    Raises ``BadSource`` or, for a scheme that is never fetched, ``SourceForbidden``.
    """
    check_text(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadSource("The source URL is not valid.") from None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise SourceForbidden("Sources come over https or ssh only.")
    if not parts.hostname or port == 0:
        raise BadSource("The source URL has no valid host.")
    userinfo = parts.netloc.rpartition("@")[0]
    host = clean_host(parts.hostname)
    default = port is None or port == DEFAULT_PORTS[scheme]
    return scheme, host, None if default else port, userinfo, parts.path, parts.query


def join(scheme: str, host: str, port: int | None, userinfo: str, path: str, query: str) -> str:
    """The opposite of ``split``."""
    name = f"[{host}]" if ":" in host else host
    netloc = f"{userinfo}@" * bool(userinfo) + name + (f":{port}" if port else "")
    return f"{scheme}://{netloc}{path}" + (f"?{query}" if query else "")


def parse(url: str, ref: str | None = None, subdir: str | None = None) -> SourceURL:
    """Read ``url`` in any accepted form; ``ref`` and ``subdir`` win over what it says.

    Raises ``BadSource`` for what cannot be understood, ``SourceForbidden`` for what may not be.
    """
    check_text(url)
    found = _parse(url)
    if ref:
        if found.ambiguous:
            found = _settle(found, ref)
        found = replace(found, ref=ref, ambiguous=False)
    if subdir:
        if found.ambiguous and found.subdir:
            joined = f"{found.ref}/{found.subdir}"
            sub = check_subdir(subdir) or ""
            if joined.endswith("/" + sub):
                found = replace(found, ref=joined.removesuffix("/" + sub))
        found = replace(found, subdir=subdir, ambiguous=False)
    return replace(
        found,
        ref=check_ref(found.ref) if found.ref else None,
        subdir=check_subdir(found.subdir) if found.subdir else None,
    )


def _settle(found: SourceURL, ref: str) -> SourceURL:
    """A page's path after the explicit ``ref``, where it begins with that."""
    path = f"{found.ref}/{found.subdir or ''}"
    if path.startswith(ref + "/"):
        return replace(found, subdir=path[len(ref) + 1 :] or None)
    return found


def _parse(text: str) -> SourceURL:
    forced = re.match(r"([A-Za-z0-9+.-]+)::", text)
    if forced:
        if forced[1].lower() != "git":
            raise SourceForbidden("Sources are git repositories or archives over https.")
        text = text[len("git::") :]
        check_text(text)
    if "://" not in text:
        scp = SCP.fullmatch(text)
        if scp:
            return _scp(scp["user"], scp["host"], scp["path"])
        if re.match(r"[A-Za-z][\w+.-]*:(?!\d+/)", text):
            raise SourceForbidden("Sources come over https or ssh only.")
        if not re.match(r"[^/@?#]+\.[^/@?#]+/[^/]", text):
            raise BadSource()
        text = "https://" + text
    scheme, host, port, userinfo, path, query = split(text)
    host = host.removeprefix("www.") if host.removeprefix("www.") in GIT_HOSTS else host
    pairs = parse_qsl(query, keep_blank_values=True)
    ref = next((value for name, value in pairs if name == "ref" and value), None)
    path, _, sub = path.partition("//")
    page = Page(path) if scheme == "ssh" or forced else read_page(host, path)
    kind = _kind(scheme, host, page, bool(forced))
    if kind == "git":
        pairs = []
        if not page.path.strip("/"):
            raise BadSource("The source URL names no repository.")
    pairs = [pair for pair in pairs if pair[0] not in ("ref", "sshkey", "depth")]
    user = userinfo.partition(":")[0] if scheme == "ssh" else ""
    # git decodes the whole of an ssh URL before it looks for the host: %2f in a user ends it
    if user and not USER.fullmatch(user):
        raise BadSource("The source URL's user is not valid.")
    if scheme == "ssh" and not (unquote(page.path) + "x").isprintable():
        raise BadSource("The source URL has characters that are not allowed.")
    public = urlencode([pair for pair in pairs if not SECRET.search(pair[0])])
    found = SourceURL(
        kind=kind,
        url=join(scheme, host, port, user or userinfo, page.path, urlencode(pairs)),
        public_url=join(scheme, host, port, user, page.path, public),
        host=host, port=port, scheme=scheme,
        ref=page.ref, subdir=page.subdir, ambiguous=page.ambiguous,
    )  # fmt: skip
    if ref:
        found = replace(_settle(found, ref) if page.ambiguous else found, ref=ref, ambiguous=False)
    return replace(found, subdir=unquote(sub)) if sub else found


def _scp(user: str, host: str, path: str) -> SourceURL:
    host = clean_host(host)
    path, _, query = path.partition("?")
    path, _, sub = path.partition("//")
    ref = next((value for name, value in parse_qsl(query) if name == "ref"), None)
    if path.startswith("-") or not path.strip("/"):
        raise BadSource("The source URL names no repository.")
    name = f"{user}@[{host}]:{path}" if ":" in host else f"{user}@{host}:{path}"
    return SourceURL("git", name, name, host, None, "ssh", ref, sub or None)


def _kind(scheme: str, host: str, page: Page, forced: bool) -> str:
    path = page.path.lower().rstrip("/")
    if forced or scheme == "ssh" or page.ref or path.endswith(".git"):
        return "git"
    if path.endswith(ENDINGS):
        return "archive"
    return "git" if host in GIT_HOSTS and not page.unknown else "http"
