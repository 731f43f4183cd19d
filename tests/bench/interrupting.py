"""Rows about Ctrl-C: how long a flood goes on at the client, and how much still comes."""

from __future__ import annotations

import time
from statistics import median

from .report import DIRECT, LATENCY, LESS_THAN_PEERS, Row
from .rig import TARGETS, Box, Rig
from .shell import INTERRUPT, YES, Shell

PROMPT = b"PROMPT>"
SET_PROMPT = b"PS1='PRO''MPT>'\n"  # the echo of the command must not match
FLOW = 0.3  # seconds that it streams for: as long as buffers need to fill


def interrupt(rig: Rig, box: Box, rounds: int, presses: int) -> list[Row]:
    """Ctrl-C during ``yes``, to a client that reads as fast as it can, until the next prompt.

    A round's number is the median of ``presses``.
    """
    prompt = Row("Ctrl-C during yes, to the prompt", "ms", DIRECT, LATENCY)
    output = Row("output after the Ctrl-C", "kB", DIRECT, (LESS_THAN_PEERS,))
    for _ in range(rounds):
        for target in TARGETS:
            shell = Shell.settled(rig.address(target, box))
            shell.send(SET_PROMPT)
            shell.until(PROMPT)
            seconds, amounts = zip(*(_press(shell) for _ in range(presses)), strict=True)
            prompt.add(target, median(seconds) * 1000)
            output.add(target, median(amounts) / 1000)
            shell.close()
            rig.wait(0.2)
    return [prompt, output]


def _press(shell: Shell) -> tuple[float, int]:
    """Seconds from the Ctrl-C to the prompt, and the bytes that came in between."""
    shell.send(YES)
    end = time.perf_counter() + FLOW
    while time.perf_counter() < end:
        shell.read()
    start = time.perf_counter()
    shell.send(INTERRUPT)
    seen, amount = b"", 0
    while PROMPT not in seen:
        piece = bytes(shell.read())
        amount += len(piece)
        seen = seen[-len(PROMPT) :] + piece
    return time.perf_counter() - start, amount
