"""Python's sleep without clock_nanosleep, which fails below faketime for a clock that is right.

Python imports this at its start, where ``PYTHONPATH`` says so.
"""

import select
import time


def sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = sleep
