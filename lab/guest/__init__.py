"""What a machine of the lab has in the place of its operating system: services, their log, and its end.

These programs run on the machine, below its folder, and know of it what its environment says.
"""
