"""Tickets, shares and log-ins: what each lets in, for how long, and what is kept of it."""

from __future__ import annotations

from functools import partial

import pytest

from dockbox.auth import logins, shares, tickets, tokens
from dockbox.auth.guard import verify
from dockbox.auth.identity import EVERYBODY, Identity
from dockbox.errors import Conflict, NotFound, Unauthorized

from ..lifecycle.world import Database


def me() -> Identity:
    return Identity(tokens.create("laptop")[0].id)


def test_a_ticket_lets_in_once_and_for_a_moment(db: Database) -> None:
    mine, box = me(), db.box()
    text = tickets.create(mine, box)
    assert text not in str(db.rows("SELECT * FROM tickets"))
    assert tickets.take(text) == (mine, box)
    late, revoked = (tickets.create(mine, box) for _ in range(2))
    assert tickets.take(tickets.create(EVERYBODY, box)) == (EVERYBODY, box)
    db.rows("UPDATE tickets SET expires_at = 5 WHERE hash = :hash", hash=tokens.hashed(late))
    tokens.revoke(mine.token or "")
    for wrong in (text, late, revoked, ""):
        with pytest.raises(Unauthorized):
            tickets.take(wrong)


def test_of_several_who_show_one_ticket_at_once_one_gets_in(db: Database) -> None:
    text = tickets.create(EVERYBODY, db.box())

    def let_in(ticket: str) -> bool:
        try:
            tickets.take(ticket)
        except Unauthorized:
            return False
        return True

    assert sum(db.at_once([partial(let_in, text)] * 8)) == 1


def test_a_share_is_for_one_dockbox_and_says_whether_its_holder_types(db: Database) -> None:
    box, mine = db.box(), me()
    for kind, types in (("view", False), ("type", True)):
        share, text = shares.create(mine, box, kind, 60)
        guest = verify(text)
        assert guest == Identity(share=share.id, dockbox=box, types=types)
        assert tickets.take(tickets.create(guest, box)) == (guest, box)
        secret = text.split("_", 2)[2]
        assert secret not in str(db.rows("SELECT * FROM shares")) and secret not in str(
            share.as_dict()
        )
        with pytest.raises(Unauthorized):
            tokens.verify(text)
        for wrong in (text[:-1], f"dbs_{share.id}_{'x' * 43}", f"dbs_{'0' * 12}_{secret}"):
            with pytest.raises(Unauthorized):
                verify(wrong)
    assert [one.kind for one in shares.of(box)] == ["type", "view"]
    assert shares.of(db.box()) == []


@pytest.mark.parametrize("end", ["time", "revoked", "token"])
def test_a_share_ends_by_time_by_being_revoked_or_with_its_token(db: Database, end: str) -> None:
    box, mine = db.box(), me()
    share, text = shares.create(mine, box, "type", 60)
    ticket = tickets.create(verify(text), box)
    assert shares.invalid([share.id]) == set()
    if end == "time":
        db.rows("UPDATE shares SET expires_at = 5")
    elif end == "revoked":
        with pytest.raises(NotFound):  # by who has another dockbox
            shares.revoke(db.box(), share.id)
        shares.revoke(box, share.id)
    else:
        tokens.revoke(mine.token or "")
    assert shares.invalid([share.id]) == {share.id}
    assert shares.of(box) == []
    with pytest.raises(Unauthorized):
        verify(text)
    with pytest.raises(Unauthorized):
        tickets.take(ticket)


def test_what_has_expired_is_cleared_away(db: Database) -> None:
    box, mine = db.box(), me()
    for table, make in (
        ("shares", lambda: shares.create(mine, box, "view", 60)),
        ("tickets", lambda: tickets.create(mine, box)),
        ("logins", lambda: logins.create(mine, 60)),
    ):
        make()
        db.rows(f"UPDATE {table} SET expires_at = 5")
        make()
        assert db.one(f"SELECT count(*) FROM {table}") == 1


def test_a_log_in_is_good_until_it_ends_or_its_token_does(db: Database) -> None:
    mine = me()
    first, second, third = (logins.create(mine, 60) for _ in range(3))
    assert logins.verify(first) == mine
    assert first not in str(db.rows("SELECT * FROM logins"))
    logins.end(first)
    logins.end(first)
    db.rows("UPDATE logins SET expires_at = 5 WHERE hash = :hash", hash=tokens.hashed(second))
    for wrong in (first, second, "", "x"):
        with pytest.raises(Unauthorized):
            logins.verify(wrong)
    assert logins.verify(third) == mine
    tokens.revoke(mine.token or "")
    with pytest.raises(Unauthorized):
        logins.verify(third)


def test_of_shares_and_log_ins_there_are_not_more_than_anybody_needs(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, box = me(), db.box()
    monkeypatch.setattr(shares, "MOST", 3)
    monkeypatch.setattr(logins, "MOST", 3)
    for _ in range(3):
        shares.create(mine, box, "view", 60)
    with pytest.raises(Conflict):
        shares.create(mine, box, "view", 60)
    shares.create(mine, db.box(), "view", 60)
    others = logins.create(me(), 60)
    first, *rest = [logins.create(mine, 60 + more) for more in range(4)]
    for text in (others, *rest):
        logins.verify(text)
    with pytest.raises(Unauthorized):
        logins.verify(first)
