"""The operator's verbs on a fleet in a cloud: each makes a plan first, and then carries it out."""
