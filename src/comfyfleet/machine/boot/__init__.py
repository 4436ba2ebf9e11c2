"""What a machine of a fleet does when it starts: the bundle that its fleet points to, then its two services."""
