"""What tests have to show after the last of them has run; `tests/conftest.py` prints it."""

import pytest

#: Lines under a heading.
SHOWN = pytest.StashKey[dict[str, list[str]]]()


def show_at_the_end(config: pytest.Config, heading: str, lines: list[str]) -> None:
    """Print the lines after the last test, whichever process it runs in."""
    if hasattr(config, "workeroutput"):
        config.workeroutput.setdefault("shown", {})[heading] = lines
    else:
        config.stash.setdefault(SHOWN, {})[heading] = lines
