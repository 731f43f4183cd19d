"""What people see: an emulator of a terminal judges what clients get."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyte.screens import Char

from ..conftest import SERVERS
from ..support.engine import Engine
from ..support.processes import program
from ..support.run import Run
from ..support.screen import Screen, watch, watch_elsewhere
from ..support.server import Server
from ..support.shared import new_box, shared_server
from ..support.site import Site

IMAGE = "dockbox-test/screen:1"  # has vim, and knows UTF-8
SETTINGS = {"idle_timeout": 600}


@pytest.fixture
def server(shared: Server) -> Server:
    return shared


def vim() -> dict[str, bytes]:
    """Debian's vim.tiny for an image: with its loader, its libraries and a script that uses them.

    And bash needs a locale to know what a character is.
    """
    file = program("vim.tiny", "vim-tiny")
    listing = subprocess.run(["ldd", file], check=True, capture_output=True, text=True).stdout
    libraries = [Path(word) for word in listing.split() if word.startswith("/")]
    loader = next(path for path in libraries if path.name.startswith("ld-"))
    script = b'#!/bin/sh\nexec /bin/loader --library-path /lib /bin/vim.tiny "$@"\n'
    others = "lib/terminfo/x/xterm-256color", "usr/lib/locale/C.utf8/LC_CTYPE"
    return {
        "bin/vim": script,
        "bin/loader": loader.read_bytes(),
        "bin/vim.tiny": Path(file).read_bytes(),
        **{f"lib/{path.name}": path.read_bytes() for path in libraries},
        **{name: Path("/", name).read_bytes() for name in others},
    }


@dataclass
class Scene:
    """What is typed into a shell with an empty screen, and what must then be seen; ``keys``, and
    what must be seen after them."""

    command: str
    text: str
    cursor: tuple[int, int]
    keys: str
    then: str
    then_cursor: tuple[int, int]


# shortmess: at a new size vim forgets the message that names the file
EDIT = "vim -u NONE -i NONE -n --cmd 'set encoding=utf-8 shortmess=F'"
CONTENT = "one\ntwo\n漢字 e\u0301\n"
DRAW = r"""
printf '\033[?1049h\n'
page=1
while :; do
  printf '\033[H\033[2J\033[1;33;44mpage %s\033[0m' $page
  printf '\033[3;5r\033[5;1Hone\ntwo\nthree\nfour\033[r'
  printf '\033[10;20Hat 10,20\033[24;1H\033[7mlast\033[0m\033[12;1H'
  if read -rsn1 -t .05 key; then [ $key != q ] || break; page=$key; fi
done
printf '\033[?1049l'
"""
WIDE = "漢字|\nあいう|\n🙂|👍|\ne\u0301|\n한글|\n"
COLOURS = (
    "\x1b[31mred\x1b[0m \x1b[1;4;38;5;196mbold\x1b[0m "
    "\x1b[7;38;2;1;2;3;48;2;250;251;252mtrue\x1b[0m\n\x1b[32mgreen\n"
)
FILES = {"content": CONTENT, "draw": DRAW, "wide": WIDE, "colours": COLOURS}

CONTENT_SHOWN = "one\ntwo\n漢字 é"
TILDES = "\n~" * 20
DRAWN = "\n\ntwo\nthree\nfour" + "\n" * 5 + " " * 19 + "at 10,20" + "\n" * 14 + "last"
WIDE_SHOWN = "# cat wide\n漢字|\nあいう|\n🙂|👍|\né|\n한글|\n#"
COLOURS_SHOWN = "# cat colours\nred bold true\ngreen\n#"
SCENES = {
    "vi": Scene(
        "vi content",
        f"{CONTENT_SHOWN}{TILDES}\n- content 1/3 33%", (0, 0), "jihello \x1b",
        f"one\nhello two\n漢字 é{TILDES}\n- content [Modified] 2/3 66%", (1, 5),
    ),
    "vim": Scene(
        f"{EDIT} content",
        f'{CONTENT_SHOWN}{TILDES}', (0, 0), "Go漢é\x1b",
        f"{CONTENT_SHOWN}\n漢é{TILDES.removesuffix('~').rstrip()}", (3, 2),
    ),
    "redraws": Scene(
        "bash draw", f"page 1{DRAWN}", (11, 0), "2", f"page 2{DRAWN}", (11, 0)
    ),
    "clear": Scene(
        "clear; echo kept", "kept\n#", (1, 2), "echo ty", "kept\n# echo ty", (1, 9)
    ),
    "wide": Scene(
        "cat wide", WIDE_SHOWN, (6, 2), "echo 漢字🙂e\u0301", f"{WIDE_SHOWN} echo 漢字🙂é", (6, 14)
    ),
    "colours": Scene(
        "cat colours", COLOURS_SHOWN, (3, 2), "echo", f"{COLOURS_SHOWN} echo", (3, 6)
    ),
}  # fmt: skip


def opened(server: Server, engine: Engine, site: Site) -> tuple[str, Screen]:
    """A new dockbox with ``FILES``, and a client of it: an empty screen and a prompt."""
    id = new_box(server, site, engine.import_image(IMAGE, extra=vim()))
    for name, content in FILES.items():
        (server.mount / id / name).write_text(content)
    first = watch(server, id)
    first.wait(lambda screen: screen.text.endswith("#"), "a prompt")
    first.type("PS1='# '; clear\r")
    return id, first.shows("#", (0, 2))


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_whenever_and_wherever_one_comes_the_screen_is_the_same(
    server: Server, site: Site, engine: Engine, scene: Scene
) -> None:
    id, first = opened(server, engine, site)
    first.type(f"{scene.command}\r")
    first.shows(scene.text, scene.cursor)
    late, other = watch(server, id, first), watch_elsewhere(server, id, first)
    for screen in (late, other):
        screen.shows(scene.text, scene.cursor).like(first)
    late.terminal.vanish()
    again = watch(server, id, first)
    again.shows(scene.text, scene.cursor).like(first)
    other.type(scene.keys)
    for screen in (first, again, other):
        screen.shows(scene.then, scene.then_cursor).like(first)
    for screen in (first, again, other):
        screen.terminal.close()
    watch(server, id).shows(scene.then, scene.then_cursor).like(first)


def test_colours_and_attributes_are_those_that_were_printed(
    server: Server, engine: Engine, site: Site
) -> None:
    id, first = opened(server, engine, site)
    first.type("cat colours\r")
    first.shows(COLOURS_SHOWN, (3, 2))
    for screen in (first, watch(server, id, first), watch_elsewhere(server, id, first)):
        screen.shows(COLOURS_SHOWN, (3, 2))
        assert screen.cell(1, 0) == Char("r", fg="red")
        assert screen.cell(1, 4) == Char("b", fg="ff0000", bold=True, underscore=True)
        assert screen.cell(1, 9) == Char("t", fg="010203", bg="fafbfc", reverse=True)
        assert screen.cell(2, 0) == Char("g", fg="green") == screen.cell(3, 0)._replace(data="g")


@pytest.mark.parametrize("editor", ["vi", "vim"])
def test_who_leaves_an_editor_sees_what_was_there_before(
    server: Server, engine: Engine, site: Site, editor: str
) -> None:
    id, first = opened(server, engine, site)
    scene = SCENES[editor]
    (server.mount / id / "edit").write_text(f"echo before; {scene.command}")
    (server.mount / id / "edit").chmod(0o755)
    first.type("./edit\r")
    first.shows(scene.text, scene.cursor)
    late, other = watch(server, id, first), watch_elsewhere(server, id, first)
    for screen in (late, other):
        screen.shows(scene.text, scene.cursor)
    other.type(":q!\r")
    for screen in (first, late):
        screen.shows("# ./edit\nbefore\n#", (2, 2))

    other.shows("# ./edit\nbefore\n#", (2, 2))


def test_what_was_cleared_is_not_there_again(server: Server, engine: Engine, site: Site) -> None:
    id, first = opened(server, engine, site)
    for screen in (watch(server, id, first), watch_elsewhere(server, id, first)):
        screen.shows("#", (0, 2))


# --- more output than is kept -------------------------------------------------------------------

KEPT = 131_072  # bytes
RESET = b"\x1b[0m"
FRAME = r"""
until [ "$(stty size)" = '24 80' ]; do sleep .1; done  # the last change of the size was before
draw() { printf '\033[H\033[2J\033[3;3Hframe\n\033[5;3H%s' $n; }
trap draw WINCH
draw
while ((n < 20000)); do printf '\033[5;3H%s' $((++n)); done
while :; do read -rsn1 -t .1; done
"""


@pytest.fixture(scope="module")
def one_small(
    run: Run, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("small")
    yield from shared_server(
        run, engine, folder, idle_timeout=600, scrollback_bytes=KEPT, web_concurrency=1
    )


@pytest.fixture
def small(one_small: Server, request: pytest.FixtureRequest) -> Server:
    request.node.stash[SERVERS] = [one_small]
    return one_small


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_replay_after_a_cut_begins_with_a_whole_sequence_and_a_whole_character(
    small: Server, site: Site, end: str
) -> None:
    box = new_box(small, site)
    (small.mount / box / "much").write_text(f"\x1b[38;5;196m🙂\x1b[m€{end}" * 10_000)
    unit = "(\x1b.38;5;196m)?(🙂)?(\x1b.m)?(€)?(\r\n)?".encode()
    with small.connect(box) as first:
        first.run("stty -echo")
        for pad in range(7):  # so that the cuts are at different places
            first.send(f"cat much; echo {'x' * pad}'='=\r".encode())
            first.read_until(b"==\r\n")
            with small.connect(box) as newcomer:
                replay = newcomer.read_until(b"x" * pad + b"==\r\n")
            assert len(replay) < KEPT + 8192  # it was cut, though not at once
            replay = replay.removeprefix(RESET)
            assert re.fullmatch(b"(%b)+(bash-5.*\n)*x*==\r\n" % unit, replay), replay[:40]


def test_after_a_cut_a_newcomer_sees_the_whole_screen(small: Server, site: Site) -> None:
    box = new_box(small, site)
    (small.mount / box / "frame").write_text(FRAME)
    first = watch(small, box)
    first.type("bash frame\r")
    text = "\n\n  frame\n\n  20000"
    first.shows(text, (4, 7), 30)

    watch(small, box).shows(text)
