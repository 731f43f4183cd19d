"""git repositories: a shallow clone with a usable ``.git`` and no credential in it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import FetchFailed, SourceForbidden
from .advertised import SHA, advertised
from .base import Deadline, Found, Limits, Progress, Report
from .http import basic, cafile, chunks, get
from .hub import offload
from .names import is_ref
from .policy import Policy
from .run import Failed, Git, environment, ssh_command
from .url import DEFAULT_PORTS, SourceURL, join, split

PRIVATE = "The repository was not found or is private."
PROBE = "/info/refs?service=git-upload-pack"
SHORT = re.compile(r"[0-9a-f]{4,63}")


def fetch(
    source: SourceURL,
    tree: Path,
    limits: Limits,
    policy: Policy,
    progress: Report,
    deadline: Deadline,
    ssh_key: str,
) -> Found:
    """Clone ``source`` into the new folder ``tree``; an empty repository has commit ``None``.

    Raises ``FetchFailed``, ``FetchTimeout``, ``SourceForbidden``, ``SourceTooLarge`` or
    ``StorageFailed``.
    """
    progress(Progress("Connecting"))
    offload(tree.mkdir)
    if source.scheme == "ssh":
        url, settings, cert = *_ssh(source, policy, deadline, ssh_key), None
        refs = None
    else:
        url, settings, refs = _http(source, policy, deadline)
        cert = cafile(policy)
    scheme = "ssh" if source.scheme == "ssh" else split(url)[0]
    git = Git(tree, environment(settings, scheme, cert), limits, progress, deadline)
    try:
        refs = _refs(git, url) if refs is None else refs
        ref, subdir = _settle(source, refs)
        name = _choose(refs, ref)
        commit = _get(git, source.public_url, url, refs, name, ref)
        if commit:
            progress(Progress("Checking out"))
            _checkout(git, name, commit)
    except Failed as failed:
        raise FetchFailed(_sentence(str(failed), source)) from None
    shown = re.sub(r"^refs/(heads|tags)/", "", name) if name else ref
    return Found(commit, shown, subdir)


def _ssh(
    source: SourceURL, policy: Policy, deadline: Deadline, key: str
) -> tuple[str, dict[str, str]]:
    if not key:
        raise SourceForbidden("This server has no key for sources over ssh.")
    address = policy.resolve(source.host, source.port, "ssh", deadline)[0]
    command = ssh_command(key, address, source.host)
    settings = {"protocol.ssh.allow": "always", "core.sshCommand": command, "ssh.variant": "ssh"}
    return source.url, settings


def _http(
    source: SourceURL, policy: Policy, deadline: Deadline
) -> tuple[str, dict[str, str], dict[str, str] | None]:
    """The repository's final URL without credentials, git's settings for it, and its refs.

    git itself may not follow redirects: nobody would check where they lead.
    """
    scheme, host, port, user, path, _ = split(source.url)
    base = join(scheme, host, port, user, path.rstrip("/"), "")
    with get(base + PROBE, policy, deadline) as (final, response):
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if response.status in (401, 403, 404, 410):
            raise FetchFailed(PRIVATE)
        if response.status != 200:
            raise FetchFailed(f"The source's host answered with status {response.status}.")
        if kind != "application/x-git-upload-pack-advertisement":
            raise FetchFailed("The source is neither a git repository nor an archive.")
        refs = advertised(chunks(response, deadline))
    scheme, host, port, user, path, _ = split(final)
    if not path.endswith("/info/refs"):
        raise FetchFailed("The source redirects to something that is not a git repository.")
    url = join(scheme, host, port, "", path.removesuffix("/info/refs"), "")
    settings = {f"protocol.{scheme}.allow": "always"}
    addresses = policy.resolve(host, port, scheme, deadline)
    if addresses != [host]:  # an address in the URL is the one connected to
        listed = ",".join(f"[{address}]" if ":" in address else address for address in addresses)
        settings["http.curloptResolve"] = f"{host}:{port or DEFAULT_PORTS[scheme]}:{listed}"
    for name, value in basic(user).items():
        settings[f"http.{url}/.extraHeader"] = f"{name}: {value}"
    return url, settings, refs


def _refs(git: Git, url: str) -> dict[str, str]:
    """What ``advertised`` returns, by git itself."""
    refs: dict[str, str] = {}
    for line in git.run(["ls-remote", "--symref", "--", url]).split("\n"):
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            refs[""] = value[5:]
        elif SHA.fullmatch(value):
            refs[name] = value
    return refs if any(refs.get(name) for name in refs if name) else {}


def _settle(source: SourceURL, refs: dict[str, str]) -> tuple[str | None, str | None]:
    """The ref and the folder: of a page's path, the longest beginning that is a ref."""
    if not (source.ambiguous and source.ref):
        return source.ref, source.subdir
    parts = f"{source.ref}/{source.subdir or ''}".strip("/").split("/")
    for count in range(len(parts), 0, -1):
        ref = "/".join(parts[:count])
        if _choose(refs, ref):
            return ref, "/".join(parts[count:]) or None
    return source.ref, source.subdir


def _choose(refs: dict[str, str], ref: str | None) -> str | None:
    """The full name of ``ref`` among ``refs``, a branch before a tag; ``None`` if not there."""
    if ref is None or ref == "HEAD":
        heads = sorted(name for name in refs if name.startswith("refs/heads/"))
        usual = [refs.get("", ""), "HEAD", "refs/heads/main", "refs/heads/master", *heads]
        # these names come from the other side
        return next((name for name in usual if name in refs and is_ref(name)), None)
    full = [ref] if ref.startswith("refs/") else []
    full += [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}"]
    return next((name for name in full if name in refs), None)


def _get(
    git: Git, public_url: str, url: str, refs: dict[str, str], name: str | None, ref: str | None
) -> str | None:
    """Fetch the ref ``name``, or the commit ``ref`` when no ref has that name; the commit."""
    begin = [["init", "-q", "--template=", "."], ["remote", "add", "origin", public_url]]
    if not refs and not ref:
        git.run(*begin)
        return None
    if name:
        return _fetch(git, url, _spec(name), *begin)
    git.run(*begin)
    return _fetch_commit(git, url, refs, ref or "HEAD")


def _spec(name: str) -> str:
    if name.startswith("refs/heads/"):
        return f"+{name}:refs/remotes/origin/{name.removeprefix('refs/heads/')}"
    return f"+{name}:{name}" if name.startswith("refs/tags/") else name


def _checkout(git: Git, name: str | None, commit: str) -> None:
    if name and name.startswith("refs/heads/"):
        branch = name.removeprefix("refs/heads/")
        git.run(["checkout", "-q", "-B", branch, "--track", f"refs/remotes/origin/{branch}"])
    else:
        git.run(["checkout", "-q", "--detach", commit])


def _fetch(git: Git, url: str, spec: str, *before: list[str]) -> str:
    """The commit fetched, one deep, if its files are not too many or too large."""
    options = ["--depth=1", "--progress", "--no-tags", "--no-recurse-submodules"]
    return _check(git, "FETCH_HEAD", *before, ["fetch", *options, "--", url, spec])


def _check(git: Git, name: str, *before: list[str]) -> str:
    # a few kilobytes of trees that refer to each other may stand for billions of files
    listing = ["ls-tree", "-r", "-t", "--format=%(objectsize)", f"{name}^{{commit}}"]
    parse = ["rev-parse", "--verify", f"{name}^{{commit}}"]
    commit, *sizes = git.run(*before, parse, listing, most=git.limits.max_files + 1).split()
    git.limits.check(sum(int(size) for size in sizes if size != "-"), len(sizes))
    return commit


def _fetch_commit(git: Git, url: str, refs: dict[str, str], ref: str) -> str:
    missing = FetchFailed(f"The ref '{ref}' was not found.")
    wanted = ref.lower()
    if not SHORT.fullmatch(wanted) and not SHA.fullmatch(wanted):
        raise missing
    known = {sha for name, sha in refs.items() if name and sha.startswith(wanted)}
    full = wanted if SHA.fullmatch(wanted) else known.pop() if len(known) == 1 else None
    if full:
        try:
            return _fetch(git, url, full)
        except Failed:
            pass  # some servers give out tips of branches only
    # a short name, or such a server: only the history tells
    every = "+refs/heads/*:refs/remotes/origin/*"
    git.run(["fetch", "--progress", "--no-tags", "--", url, every])
    try:
        return _check(git, wanted)
    except Failed:
        raise missing from None


def _sentence(errors: str, source: SourceURL) -> str:
    """One clear sentence for what git wrote, which may hold anything, so never itself."""
    text = errors.lower()
    host = urlsplit(source.public_url).hostname or source.host
    missing = f"The ref '{source.ref or 'HEAD'}' was not found."
    for words, sentence in (
        ("couldn't find remote ref", missing),
        ("not our ref", missing),
        ("could not resolve host", f"The host {host} cannot be found."),
        ("permission denied", PRIVATE),
        ("authentication failed", PRIVATE),
        ("could not read", PRIVATE),
        ("not found", PRIVATE),
        ("requested url returned error: 40", PRIVATE),
        ("host key verification failed", f"The host key of {host} has changed."),
        ("certificate", f"The certificate of {host} is not valid."),
        ("unable to access", f"The host {host} cannot be reached."),
        ("connection", f"The host {host} cannot be reached."),
        ("fsck error", "The repository has objects that are not allowed."),
    ):
        if words in text:
            return sentence
    return "The repository could not be fetched."
