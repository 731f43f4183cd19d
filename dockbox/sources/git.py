"""git repositories: a shallow clone with a usable ``.git`` and no credential in it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import FetchFailed, SourceForbidden
from .base import Deadline, Found, Limits, Progress, Report
from .http import basic, cafile, get
from .hub import offload
from .policy import Policy
from .run import Failed, Git, environment, ssh_command
from .url import DEFAULT_PORTS, SourceURL, is_ref, join, split

PRIVATE = "The repository was not found or is private."
PROBE = "/info/refs?service=git-upload-pack"
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
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
    if source.scheme == "ssh":
        url, env = _ssh(source, policy, deadline, ssh_key)
    else:
        url, env = _http(source, policy, deadline)
    offload(tree.mkdir)
    git = Git(tree, env, limits, progress, deadline)
    try:
        git.run("init", "-q", "--template=", ".")
        git.run("remote", "add", "origin", source.public_url)
        refs = _refs(git, url)
        ref, subdir = _settle(source, refs)
        name = _choose(refs, ref)
        commit = _get(git, url, refs, name, ref) if refs or ref else None
        if commit:
            progress(Progress("Checking out"))
            _checkout(git, limits, name, commit)
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
    env = environment({"protocol.ssh.allow": "always"}, "ssh", None)
    env["GIT_SSH_COMMAND"] = ssh_command(key, address, source.host)
    env["GIT_SSH_VARIANT"] = "ssh"
    return source.url, env


def _http(source: SourceURL, policy: Policy, deadline: Deadline) -> tuple[str, dict[str, str]]:
    """The repository's final URL without credentials, and git's environment for it.

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
    return url, environment(settings, scheme, cafile(policy))


def _refs(git: Git, url: str) -> dict[str, str]:
    """Every ref and its object; under the key "" the default branch's full name."""
    refs: dict[str, str] = {}
    for line in git.run("ls-remote", "--symref", "--", url).split("\n"):
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            refs[""] = value[5:]
        elif SHA.fullmatch(value):
            refs[name] = value
    if not any(refs.get(name) for name in refs if name):
        return {}
    return refs


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


def _get(git: Git, url: str, refs: dict[str, str], name: str | None, ref: str | None) -> str:
    """Fetch the ref ``name``, or the commit ``ref`` when no ref has that name."""
    return _fetch_name(git, url, name) if name else _fetch_commit(git, url, refs, ref or "HEAD")


def _checkout(git: Git, limits: Limits, name: str | None, commit: str) -> None:
    """Check out what was fetched, if its files are not too many or too large."""
    # a few kilobytes of trees that refer to each other may stand for billions of files
    listing = "ls-tree", "-r", "-t", "--format=%(objectsize)", commit
    sizes = git.run(*listing, most=limits.max_files).split()
    limits.check(sum(int(size) for size in sizes if size != "-"), len(sizes))
    if name and name.startswith("refs/heads/"):
        branch = name.removeprefix("refs/heads/")
        git.run("checkout", "-q", "-B", branch, "--track", f"refs/remotes/origin/{branch}")
    else:
        git.run("checkout", "-q", "--detach", commit)


def _fetch(git: Git, url: str, spec: str, *options: str) -> str:
    options = (*options, "--progress", "--no-tags", "--no-recurse-submodules")
    git.run("fetch", *options, "--", url, spec)
    return git.run("rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()


def _fetch_name(git: Git, url: str, name: str) -> str:
    spec = name
    if name.startswith("refs/heads/"):
        spec = f"+{name}:refs/remotes/origin/{name.removeprefix('refs/heads/')}"
    elif name.startswith("refs/tags/"):
        spec = f"+{name}:{name}"
    return _fetch(git, url, spec, "--depth=1")


def _fetch_commit(git: Git, url: str, refs: dict[str, str], ref: str) -> str:
    missing = FetchFailed(f"The ref '{ref}' was not found.")
    wanted = ref.lower()
    if not SHORT.fullmatch(wanted) and not SHA.fullmatch(wanted):
        raise missing
    known = {sha for name, sha in refs.items() if name and sha.startswith(wanted)}
    full = wanted if SHA.fullmatch(wanted) else known.pop() if len(known) == 1 else None
    if full:
        try:
            return _fetch(git, url, full, "--depth=1")
        except Failed:
            pass  # some servers give out tips of branches only
    # a short name, or such a server: only the history tells
    git.run("fetch", "--progress", "--no-tags", "--", url, "+refs/heads/*:refs/remotes/origin/*")
    try:
        return git.run("rev-parse", "--verify", "-q", f"{wanted}^{{commit}}").strip()
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
