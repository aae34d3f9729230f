"""What a checkout is compared with: the baseline (four empty activities) and the lower bound (its own steps, empty).

Each has its workflow and its worker here, and imports nothing of the product but how to connect.
"""
