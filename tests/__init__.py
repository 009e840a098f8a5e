"""The tests: a mirror of ``src``, beside what is true of the whole tree."""
