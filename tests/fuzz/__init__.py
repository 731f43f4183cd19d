"""Inputs of strangers, at random: the same few in `make test`, others by `make fuzz`."""
