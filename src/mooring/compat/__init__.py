"""Old APIs under their old names, on top of everything."""
