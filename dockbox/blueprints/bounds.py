"""How often, from where: creates a minute, wrong tokens, and whose address a request has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NoReturn

from flask import Request, g, request
from flask_limiter import Limiter, RequestLimit

from ..errors import TooManyRequests, Unauthorized
from ..rates import SCHEME, Rates
from .common import services

PROXY = "werkzeug.proxy_fix.orig"  # where ProxyFix keeps what it has replaced
SUBNET = 64  # bits of an IPv6 address: whoever has one has all that begin with these


def address(request: Request) -> str:
    """The client's address, as far as it tells clients apart.

    It is the connection's or, behind proxies, what they say; where that is no address, the
    nearest proxy's.
    """
    told = (request.remote_addr, request.environ.get(PROXY, {}).get("REMOTE_ADDR"))
    for text in filter(None, told):
        try:
            ip = ip_address(text.partition("%")[0])
        except ValueError:
            continue
        if isinstance(ip, IPv6Address):
            return str(ip.ipv4_mapped or IPv6Network((ip, SUBNET), strict=False))
        return str(ip)
    return "unknown"


# --- creates --------------------------------------------------------------------------------


def _too_often(limit: RequestLimit) -> NoReturn:
    storage = limit.limiter.storage
    assert isinstance(storage, Rates)
    rate = services().config.create_rate
    raise TooManyRequests(f"At most {rate} creates a minute.", storage.left(limit.key))


def _rate() -> str:
    return f"{services().config.create_rate or 1} per minute"


def _no_rate() -> bool:
    return not services().config.create_rate


limiter = Limiter(
    lambda: f"address {address(request)}", storage_uri=f"{SCHEME}://", key_prefix="create",
    on_breach=_too_often, headers_enabled=False, swallow_errors=False,
)  # fmt: skip
creates_of_address = limiter.limit(_rate, exempt_when=_no_rate)
creates_of_token = limiter.limit(
    _rate, key_func=lambda: f"token {g.identity.token}",
    exempt_when=lambda: _no_rate() or g.identity.token is None,
)  # fmt: skip


# --- wrong tokens ---------------------------------------------------------------------------


@contextmanager
def damped(token: str | None) -> Iterator[None]:
    """Find out who has ``token``, into ``g.identity``, unless many wrong ones came from there.

    Raises ``TooManyRequests``.
    """
    if not token:
        yield
        return
    strangers, origin = services().strangers, address(request)
    strangers.check(origin, token)
    try:
        yield
    except Unauthorized:
        strangers.wrong(origin, token)
        raise
    if g.get("identity"):  # some routes look at no token
        strangers.right(token)
