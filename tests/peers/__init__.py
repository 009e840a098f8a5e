"""Real peers, started as ordinary processes, and the fixtures that hand them to tests."""
