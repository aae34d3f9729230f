"""Where a measurement takes place: a stack of its own, and what is read from its processes, servers and machine.

The load that is put on it belongs in `checkout_lab.bench.load`.
"""
