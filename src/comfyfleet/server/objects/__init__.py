"""Objects on disk, served behind signed URLs."""
