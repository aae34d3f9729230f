"""The load of a measurement: customers over HTTP, closed and open loops, and the samples that they yield.

What the samples mean is worked out in `checkout_lab.bench.results`.
"""
