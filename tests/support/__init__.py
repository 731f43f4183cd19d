"""Real servers for the tests: an engine, a database, a registry, a git site, dockbox itself.

Plain classes without pytest, so that the benchmarks use them as well.  ``Run`` comes first: it
holds the folder and ends all that was started.
"""
