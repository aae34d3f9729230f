"""How long the property tests look; the environment says it, and ``make fuzz`` sets it."""

import os


def is_long() -> bool:
    """Whether somebody waits for the outcome who has the time."""
    return os.environ.get("HYPOTHESIS_PROFILE", "bounded") == "long"


def examples(bounded: int) -> int:
    """How many examples to look at, unless somebody wants more."""
    return int(os.environ.get("HYPOTHESIS_EXAMPLES", bounded))
