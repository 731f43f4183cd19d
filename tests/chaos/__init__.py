"""Chaos: clients at work on two servers while whatever can break does.

``world`` starts all there is, ``load`` and ``steady`` are the clients, ``faults`` breaks things one
at a time, ``invariants`` says what must be true in the end, ``journal`` keeps what has happened.
A seed decides who does what; how it all falls together is up to the machine.
"""
