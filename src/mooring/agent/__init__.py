"""The program that dials in from a host behind NAT, and lets itself be managed as the user that it runs as.

``agent`` dials and holds the connection; ``login`` says who may come in and what they may do; ``session`` is one
channel, ``child`` the program on it, ``terminal`` and ``descriptors`` what it is held by; ``files`` is SFTP.
"""

from __future__ import annotations

from .agent import Agent

__all__ = ["Agent"]
