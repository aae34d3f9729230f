"""What makes a measurement worthless."""

from checkout.domain.errors import CheckoutError


class BenchError(CheckoutError):
    """Nothing was measured, or what was measured says nothing. The text says why."""
