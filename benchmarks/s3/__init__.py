"""The parts of the benchmarks' S3 server: requests, signatures, listings and answers."""
