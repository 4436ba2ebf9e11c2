"""Making a fleet's machine image: a machine is provisioned, proves itself, and is copied."""
