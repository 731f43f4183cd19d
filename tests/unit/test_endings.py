"""What the page does after each end of a connection; its module runs in Node.js here."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from ..support.processes import program
from ..support.run import ROOT

RUN = """
const [source, facts] = JSON.parse(require("fs").readFileSync(0, "utf8"));
import("data:text/javascript," + encodeURIComponent(source)).then(({ verdict }) =>
    console.log(JSON.stringify(facts.map(verdict))));
"""
RUNNING, FAILED = {"state": "running"}, {"state": "failed", "error": "No such host."}
ENDS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"code": 1001, "reason": "r", "box": RUNNING}, {"retry": "at once"}),
    ({"code": 1013, "reason": "r", "box": RUNNING}, {"retry": "at once"}),
    ({"code": 1006, "reason": "", "box": RUNNING}, {"retry": "later"}),
    ({"code": 1011, "reason": "Docker is away.", "box": RUNNING},
     {"end": "Docker is away.", "offer": "again"}),
    ({"code": 1006, "reason": "", "error": {"status": 0, "message": "Away."}},
     {"retry": "later", "reason": "Away."}),
    ({"code": 1006, "reason": "", "error": {"status": 503, "message": "Busy."}},
     {"retry": "later", "reason": "Busy."}),
    ({"code": 1011, "reason": "", "box": FAILED}, {"end": "No such host.", "offer": "over"}),
    ({"code": 1000, "reason": "It was stopped.", "box": RUNNING},
     {"end": "It was stopped.", "offer": "again"}),
    ({"code": 1000, "reason": "It was deleted.", "error": {"status": 404, "message": "No."}},
     {"end": "It was deleted.", "offer": "home"}),
    ({"code": 1006, "reason": "", "error": {"status": 404, "message": "No."}}, {"offer": "home"}),
    ({"code": 1008, "reason": "Revoked.", "box": RUNNING}, {"end": "Revoked.", "offer": "again"}),
    ({"code": 1008, "reason": "Revoked.", "error": {"status": 401, "message": "No."}},
     {"offer": "login"}),
    ({"code": 1009, "reason": "", "box": RUNNING}, {"offer": "again"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def verdicts() -> list[dict[str, Any]]:
    source = (ROOT / "dockbox/static/terminal/endings.js").read_text()
    done = subprocess.run(
        [program("node", "nodejs"), "--eval", RUN],
        input=json.dumps([source, [facts for facts, _ in ENDS]]),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("at", range(len(ENDS)), ids=lambda at: str(ENDS[at][0]["code"]))
def test_an_end_is_followed_by_what_makes_sense(verdicts: list[dict[str, Any]], at: int) -> None:
    expected = ENDS[at][1]
    assert expected.items() <= verdicts[at].items()
    assert ("end" in verdicts[at]) is not ("retry" in verdicts[at])
