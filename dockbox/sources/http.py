"""An HTTP client that connects only to addresses that the policy has checked.

Redirects are followed by hand, because each one may lead to another host.
"""

from __future__ import annotations

import http.client
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast
from urllib.parse import unquote, urljoin

import urllib3
from urllib3.exceptions import HTTPError, SSLError, TimeoutError

from ..errors import FetchFailed, FetchTimeout, SourceForbidden
from .base import Deadline
from .hub import Turns, bounded
from .policy import Policy
from .url import DEFAULT_PORTS, join, split

REDIRECTS = 5
CHUNK = 256 * 1024


def cafile(policy: Policy) -> str | None:
    """The certificate authorities' file, if not the system's; the same for HTTP and for git."""
    return policy.cafile or os.environ.get("GIT_SSL_CAINFO") or os.environ.get("SSL_CERT_FILE")


def basic(userinfo: str) -> dict[str, str]:
    """The header for ``user:password`` of a URL, nothing for none."""
    if not userinfo:
        return {}
    user, _, password = userinfo.partition(":")
    return {**urllib3.make_headers(basic_auth=f"{unquote(user)}:{unquote(password)}")}


class Raw(io.RawIOBase):
    """A socket's reader that keeps the deadline and gives other greenlets their turns."""

    def __init__(self, raw: Any, turns: Turns) -> None:
        self.raw, self.turns = raw, turns

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.turns()
        return cast("int | None", self.raw.readinto(buffer))

    def close(self) -> None:
        self.raw.close()
        super().close()


class Response(http.client.HTTPResponse):
    """A response whose bytes, those of its headers included, come through ``Raw``."""

    def __init__(self, turns: Turns, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.fp = io.BufferedReader(Raw(cast(Any, self.fp).detach(), turns))


def _pool(
    scheme: str, host: str, address: str, number: int, policy: Policy, deadline: Deadline
) -> urllib3.HTTPConnectionPool:
    left = deadline.left()
    timeout = urllib3.Timeout(connect=min(10, left), read=min(30, left))
    if scheme == "https":
        pool: urllib3.HTTPConnectionPool = urllib3.HTTPSConnectionPool(
            address, number, timeout=timeout, cert_reqs="CERT_REQUIRED",
            ca_certs=cafile(policy), server_hostname=host, assert_hostname=host,
        )  # fmt: skip
    else:
        pool = urllib3.HTTPConnectionPool(address, number, timeout=timeout)

    def connection(**kw: Any) -> Any:
        made = made_by(**kw)
        made.response_class = partial(Response, Turns(deadline))
        return made

    made_by, pool.ConnectionCls = cast(Any, pool.ConnectionCls), cast(Any, connection)
    return pool


def _request(
    url: str, headers: dict[str, str], policy: Policy, deadline: Deadline
) -> tuple[urllib3.HTTPConnectionPool, urllib3.BaseHTTPResponse]:
    scheme, host, port, _, path, query = split(url)
    if scheme not in ("https", "http"):
        raise SourceForbidden("The source redirects to something that is not https.")
    name = f"[{host}]" if ":" in host else host
    sent = {
        "Host": f"{name}:{port}" if port else name,
        "User-Agent": "git/2 dockbox",  # some forges answer git's requests to git only
        "Accept-Encoding": "identity",
        **headers,
    }
    target = (path or "/") + (f"?{query}" if query else "")
    for address in policy.resolve(host, port, scheme, deadline):
        pool = _pool(scheme, host, address, port or DEFAULT_PORTS[scheme], policy, deadline)
        try:
            # bytes that trickle in, in a handshake too, put off each wait, but not this
            with bounded(deadline.left(), deadline.error()):
                return pool, pool.urlopen(
                    "GET", target, headers=sent, redirect=False, retries=False,
                    preload_content=False, assert_same_host=False,
                )  # fmt: skip
        except SSLError:
            pool.close()
            raise FetchFailed(f"The certificate of {host} is not valid.") from None
        except (HTTPError, OSError):
            pool.close()
        except BaseException:
            pool.close()
            raise
    deadline.left()
    raise FetchFailed(f"The host {host} cannot be reached.")


@contextmanager
def get(
    url: str, policy: Policy, deadline: Deadline
) -> Iterator[tuple[str, urllib3.BaseHTTPResponse]]:
    """GET ``url``; yields the final URL (credentials included) and the unread response.

    Raises ``SourceForbidden`` for a hop that is not allowed, ``FetchFailed`` or ``FetchTimeout``.
    """
    origin = split(url)[:3]
    userinfo = split(url)[3]
    for _ in range(REDIRECTS + 1):
        scheme, host, port, _, path, query = split(url)
        same = (scheme, host, port) == origin
        pool, response = _request(url, basic(userinfo if same else ""), policy, deadline)
        try:
            if response.status not in (301, 302, 303, 307, 308):
                held = userinfo if same else ""
                yield join(scheme, host, port, held, path, query), response
                return
            url = _next(url, response.headers.get("Location", ""))
        finally:
            response.close()
            pool.close()
    raise FetchFailed("The source redirects too often.")


def _next(url: str, location: str) -> str:
    try:
        return urljoin(url, location).partition("#")[0]
    except ValueError:
        raise FetchFailed("The source redirects to something that is not a URL.") from None


def chunks(response: urllib3.BaseHTTPResponse, deadline: Deadline) -> Iterator[bytes]:
    """The body, piece by piece; raises ``FetchFailed`` when it breaks off."""
    turns = Turns(deadline)
    try:
        while True:
            # read1, since a full read would outlast the deadline while bytes trickle in
            with bounded(deadline.left(), deadline.error()):
                piece = response.read1(CHUNK, decode_content=False)
            if not piece:
                return
            turns()
            yield piece
    except TimeoutError:
        deadline.left()
        raise FetchTimeout("The source's host stopped sending.") from None
    except (HTTPError, OSError):
        raise FetchFailed("The connection to the source's host broke off.") from None
