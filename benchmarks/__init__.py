"""Programs that answer one question each with a ratio against peers measured in the same run."""
