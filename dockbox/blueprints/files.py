"""A dockbox's files: browse, view, download, upload, remove."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import gevent
from flask import Blueprint, Response, current_app, jsonify, request
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.http import is_resource_modified
from werkzeug.routing import BaseConverter

from ..browse import reading, writing
from ..browse.way import Place, place
from ..errors import BadRequest, Conflict, DockboxError, NoRoom, PayloadTooLarge
from ..lifecycle.garbage import touch
from ..models import Dockbox
from ..sources.hub import offload
from .common import audit, lookup, services

PATIENCE = 60.0  # seconds in which a client takes or sends reading.PIECE bytes
SHOWN, MOST_SHOWN = 200, 500  # entries of a folder in one answer
# Whatever a file says that it is: a browser shows it as text, or not at all, and runs nothing.
CAGE = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
BYTES, TEXT = "application/octet-stream", "text/plain; charset=utf-8"


class Rest(BaseConverter):
    """All that is left of an address, slashes and line ends too."""

    regex = r"[\s\S]*"
    part_isolating = False


blueprint = Blueprint("files", __name__, url_prefix="/v1/dockbox/<key>/files")


@blueprint.record
def _know_rest(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["rest"] = Rest


def _asked(key: str) -> tuple[Dockbox, Path, Place]:
    """The dockbox, its folder and the place in it that are asked for."""
    # the bytes themselves: in Flask's path, those that are not UTF-8 are replaced
    path = request.environ["PATH_INFO"].encode("latin-1")
    where = place(path.split(b"/", 5)[5] if path.count(b"/") >= 5 else b"")
    box = lookup(key)
    if box.state in ("creating", "failed"):
        raise Conflict(f"The dockbox is {box.state}: it has no files to be shown.")
    touch(services().config, box)
    return box, services().config.mount_point / box.id, where


@blueprint.get("")
@blueprint.get("/<rest:path>")
def show(key: str, path: str = "") -> ResponseReturnValue:
    box, root, where = _asked(key)
    limit = request.args.get("limit", str(SHOWN))
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST_SHOWN:
        raise BadRequest(f"limit must be a whole number from 1 to {MOST_SHOWN}.")
    seats = services().transfers
    seats.take(box.id)
    response = None
    try:
        found = reading.look(root, where, int(limit), request.args.get("after"))
        if isinstance(found, dict):
            return jsonify(found)
        try:
            response = _file(found)
        finally:
            if response is None:
                found.close()
    finally:
        if response is None:
            seats.leave(box.id)
    response.call_on_close(found.close)
    response.call_on_close(partial(seats.leave, box.id))
    if request.method == "GET" and response.status_code in (200, 206):
        audit("download", box.id, path=where.address[:300])
    return response


def _file(file: reading.File) -> Response:
    """The answer for a file, in whole, in part or not at all, as the request's headers want it."""
    response = Response(status=200)
    response.set_etag(file.etag)
    response.last_modified = file.modified if file.modified and file.modified.year >= 1970 else None
    response.headers.update({
        "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache",
        "Content-Security-Policy": CAGE,
    })  # fmt: skip
    etag, modified = response.headers["ETag"], response.headers.get("Last-Modified")
    if not is_resource_modified(request.environ, etag, None, modified):
        response.status_code = 304
        return response
    view = request.args.get("view") == "1" and file.is_text
    response.content_type = TEXT if view else BYTES
    kind = "inline" if view else "attachment"
    response.headers["Content-Disposition"] = f"{kind}; filename*=UTF-8''{quote(file.name, '')}"
    start, stop = 0, file.size
    if (span := _span(file.size, etag, modified)) is not None:
        start, stop = span
        if start >= stop:
            return _unsatisfiable(response, file.size)
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    response.response = _sent(file, start, stop)
    response.content_length = stop - start
    return response


def _span(size: int, etag: str, modified: str | None) -> tuple[int, int] | None:
    """The one range of bytes that is wanted, empty if there are no such; else ``None``."""
    wanted = request.range
    if not wanted or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return None
    since = request.headers.get("If-Range")
    if since is not None and since not in (etag, modified):
        return None
    return wanted.range_for_length(size) or (size, size)


def _unsatisfiable(response: Response, size: int) -> Response:
    said = {"error": "The file has no such bytes.", "code": "range_not_satisfiable"}
    response.set_data(current_app.json.dumps(said))
    response.content_type, response.status_code = "application/json", 416
    response.headers["Content-Range"] = f"bytes */{size}"
    del response.headers["Content-Disposition"]
    return response


def _sent(file: reading.File, start: int, stop: int) -> Iterator[bytes]:
    """The pieces of a file.

    The connection is cut where they end before their time, or where the client takes none: it
    was told their number.
    """
    cut = ConnectionResetError(errno.ECONNRESET, "cut off")
    try:
        for piece in file.pieces(start, stop):
            with gevent.Timeout(PATIENCE, cut):
                yield piece
    except DockboxError:
        raise cut from None


@blueprint.put("/<rest:path>")
def write(key: str, path: str) -> ResponseReturnValue:
    box, root, where = _asked(key)
    new, config = _only_new(), services().config
    most = config.upload_max_bytes
    length = request.content_length
    if (length or 0) > most:
        raise PayloadTooLarge(f"An upload has at most {most} bytes.")
    if config.container_disk and (box.disk_bytes or 0) > config.container_disk:
        raise NoRoom("The dockbox held too much when it last ran. Remove some of it, then connect.")
    room = services().files_room
    left = room.check(box.id, root, length or 0)
    if where.folder:
        make = partial(writing.make_folder, root, where, new)
        created, size = offload(make, pool="browse"), 0
    else:
        created, size = _upload(box.id, root, where, new, most if left is None else min(most, left))
    room.took(box.id, size)
    audit("upload", box.id, path=where.address[:300], bytes=size)
    if not created:
        return "", 204
    location = f"{request.host_url}v1/dockbox/{box.id}/files/{where.address}"
    return "", 201, {"Location": location + "/" * where.folder}


def _only_new() -> bool:
    """Whether nothing may be there yet; other conditions are refused, not passed over."""
    wanted = request.headers.get("If-None-Match")
    others = "If-Match" in request.headers or "If-Unmodified-Since" in request.headers
    if wanted not in (None, "*") or others:
        raise BadRequest("The one condition of an upload is 'If-None-Match: *'.")
    if "Content-Range" in request.headers or "Content-Encoding" in request.headers:
        raise BadRequest("An upload is a whole file, as it is.")
    return wanted == "*"


def _upload(id: str, root: Path, where: Place, new: bool, most: int) -> tuple[bool, int]:
    """Whether the file is a new one, and its size."""
    seats, size = services().transfers, 0
    seats.take(id)
    try:
        begin = partial(writing.Upload, root, where, not new, request.content_length)
        upload = offload(begin, pool="browse")
        try:
            for piece in _body():
                size += len(piece)
                if size > most:
                    raise PayloadTooLarge(f"There is room for {most} bytes, and no more.")
                offload(partial(upload.write, piece), pool="browse")
            return offload(upload.commit, pool="browse"), size
        finally:
            offload(upload.close, pool="browse")
    finally:
        seats.leave(id)


def _body() -> Iterator[bytes]:
    """The pieces of the request's body, to its very end."""
    request.max_content_length = sys.maxsize  # whoever reads this counts
    late, broken = BadRequest("The body came too slowly."), BadRequest("The body is cut off.")
    left = request.content_length  # of which Flask would take less, too
    while True:
        try:
            # an exception inside the read lets gunicorn close the connection, whose next bytes
            # would be taken for a request
            with gevent.Timeout(PATIENCE, late):
                piece = request.stream.read(reading.PIECE)
        except DockboxError:
            raise
        except Exception:  # chunks that are none: gunicorn's own, of no common class
            raise broken from None
        if not piece:
            break
        left = None if left is None else left - len(piece)
        yield piece
    if left:
        raise broken


@blueprint.delete("/<rest:path>")
def remove(key: str, path: str) -> ResponseReturnValue:
    box, root, where = _asked(key)
    services().files_room.forget(box.id)
    offload(partial(writing.remove, root, where), pool="remove")
    audit("remove file", box.id, path=where.address[:300])
    return "", 204
