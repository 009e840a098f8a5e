"""SSH itself: dialing, trust, credentials, algorithms, channels. AsyncSSH lives here.

``route`` looks a target up, ``dial`` makes a ``Link`` of it, ``channel`` opens commands and processes on a
link, and ``mapping`` turns AsyncSSH's errors into ours at the border.
"""
