"""The control plane itself: its settings, and whether what it depends on answers."""
