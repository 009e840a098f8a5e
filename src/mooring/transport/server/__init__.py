"""The public SSH server: who may log in, what a session does, files and forwards, on the ground of ``serve``."""
