"""How fleets stood over time, and what needs attention now."""
