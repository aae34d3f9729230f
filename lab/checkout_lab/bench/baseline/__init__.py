"""What a checkout is compared with: the baseline (four empty activities) and the lower bound (its own steps, empty).

Each has its workflow and its worker here. Of the product they import only the settings, how to connect to Temporal, and
(the lower bound) how often a worker polls.
"""
