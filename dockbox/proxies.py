"""What the proxies before this server say of a client, and nothing that the client says itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TOLD = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")


class Proxies(ProxyFix):
    """Takes from each header what the last so many proxies have added to it.

    The host stays the request's own: that is what ``Origin`` is compared with.
    """

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        for header in TOLD:
            if header in environ:
                # To ProxyFix, a quotation mark that does not end spoils the whole header: a
                # client that sends one would hide behind the nearest proxy's address.
                environ[header] = environ[header].replace('"', "")
        return super().__call__(environ, start_response)


def believe(app: Flask, proxies: int) -> None:
    """Believe the last ``proxies`` of ``app``; with 0, nobody."""
    if proxies:
        app.wsgi_app = Proxies(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=0, x_port=0, x_prefix=0
        )
