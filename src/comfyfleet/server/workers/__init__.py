"""Workers: registration, tokens and liveness."""
