"""What can go wrong in a benchmark."""

from comfyfleet.core.errors import Unavailable


class BenchmarkFailed(Unavailable):
    """A program of the benchmark failed, or did not do what it was asked."""

    code = "benchmark_failed"
