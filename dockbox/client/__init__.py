"""The user's commands, ``python -m dockbox connect`` and ``create``: a client of the HTTP API.

A room of its own: it knows what docs/api.md and docs/protocol.md say and imports nothing of the
server, nor gevent.
"""
