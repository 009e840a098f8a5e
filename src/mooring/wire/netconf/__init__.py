"""NETCONF without I/O (RFC 6241, 6242, 5277): bytes in, events out, bytes to send.

``protocol.Protocol`` is the whole of it for a client; what it is made of stands beside it.
"""
