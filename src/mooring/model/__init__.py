"""Values that every layer may import: no I/O, no clock, no dice."""
