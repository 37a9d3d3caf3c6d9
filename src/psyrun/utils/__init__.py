"""Things that examples and documentation use."""
