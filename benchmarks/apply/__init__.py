"""How fast a bundle comes onto a machine, beside the programs that copy from S3."""
