"""An AWS on one machine, for tests and for learning: emulators, and our simulator of what they lack."""
