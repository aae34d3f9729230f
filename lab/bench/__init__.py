"""`checkout bench`: what a checkout costs, measured beside a yardstick on the same servers at the same time."""
