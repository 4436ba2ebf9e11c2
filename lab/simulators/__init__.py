"""The services that the simulator speaks for; each answers a dictionary per action."""
