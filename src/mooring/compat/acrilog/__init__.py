"""acrilog 2 under its own names: change the import to ``from mooring.compat.acrilog import MpLogger``.

One listener writes the files of all processes, on the standard library's QueueHandler and QueueListener. What differs
from the original: ``process_key`` and ``consolidate`` do what the document says, files are UTF-8 and go to the working
folder unless ``logdir`` says otherwise, and records of remote handlers come home over their pipes
(``SSHPipe(..., logger=logger)``) instead of by an open port that takes pickles from anybody.
"""

from __future__ import annotations

from .formatter import LevelBasedFormatter, MicrosecondsDatetimeFormatter
from .handler import TimedSizedRotatingHandler
from .mplogger import MpLogger

__all__ = ["LevelBasedFormatter", "MicrosecondsDatetimeFormatter", "MpLogger", "TimedSizedRotatingHandler"]
