"""A cloud in memory that keeps the promises of the ports, in a time of its own.

Machines start, become reachable and end; images become available; rolls replace machines and wait at checkpoints.
Commands are run for real, by bash, in a folder that stands for the machine's disk, with programs that a test writes.
"""
