"""What terminals showed: a folder of asciicast files, one for each, written beside the event loop.

``archive`` is the door: it begins recordings, knows all that there are and lets the oldest go. ``tape`` is one that
goes on; ``folder`` is the files, used by one thread alone; ``cast`` knows the format.
"""
