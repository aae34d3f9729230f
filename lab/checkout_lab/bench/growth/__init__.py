"""What a checkout costs when there is more of something: orders, open checkouts, lines, workers, or time.

The comparison with the baseline at one size is in `checkout_lab.bench.rounds`.
"""
