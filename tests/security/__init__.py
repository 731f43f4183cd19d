"""Attacks, one test for each, on the real thing: a test fails when its defence is taken out."""
