"""Tokens: what is kept, and what is refused."""

from __future__ import annotations

import pytest

from dockbox.auth import tokens
from dockbox.auth.identity import Identity
from dockbox.errors import NotFound, Unauthorized

from ..lifecycle.world import Database


def refused(text: str) -> bool:
    try:
        tokens.verify(text)
    except Unauthorized:
        return True
    return False


def test_a_token_names_who_has_it_and_only_its_hash_is_kept(db: Database) -> None:
    token, text = tokens.create("laptop")
    admin, admins = tokens.create("boss", admin=True)
    assert tokens.verify(text) == Identity(token.id, admin=False)
    assert tokens.verify(admins) == Identity(admin.id, admin=True)
    secret = text.split("_", 2)[2]
    assert secret not in str(db.rows("SELECT * FROM tokens"))
    assert secret not in str(token.as_dict()) and token.hash not in str(token.as_dict())


def test_what_is_no_token_is_refused(db: Database) -> None:
    _, text = tokens.create("laptop")
    other, _ = tokens.create("other")
    _, id, secret = text.split("_", 2)
    for wrong in (
        "", "dbx", text[:-1], text + "x", f"dbx_{other.id}_{secret}", f"dbx_{'0' * 12}_{secret}",
        f"dbx_{id}_{'x' * 43}", f" {text}", "é" * 61, f"dbx_{id}_{secret}\n", "dbx_%_" + "x" * 43,
    ):  # fmt: skip
        assert refused(wrong), wrong
    assert not refused(text)


def test_a_token_ends_by_time_or_by_being_revoked(db: Database) -> None:
    short, text = tokens.create("short", lifetime=60)
    gone, revoked = tokens.create("gone")
    assert tokens.invalid([short.id, gone.id]) == set()
    db.rows("UPDATE tokens SET expires_at = expires_at - 61 WHERE id = :id", id=short.id)
    tokens.revoke(gone.id)
    assert refused(text) and refused(revoked)
    assert tokens.invalid([short.id, gone.id, "unknown"]) == {short.id, gone.id, "unknown"}
    for id in (gone.id, "unknown"):
        with pytest.raises(NotFound):
            tokens.revoke(id)


def test_the_last_use_is_noted_but_not_at_each_use(db: Database) -> None:
    _, text = tokens.create("laptop")
    used = "SELECT last_used_at FROM tokens"
    assert db.one(used) is None
    tokens.verify(text)
    first = db.one(used)
    tokens.verify(text)
    assert first is not None and db.one(used) == first
    db.rows("UPDATE tokens SET last_used_at = 5")
    tokens.verify(text)
    assert db.one(used) >= first
