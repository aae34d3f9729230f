"""Finding the development stack that runs here: ``checkout dev`` writes down where it is, for whoever needs it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkout.domain.errors import ConfigurationError

#: Where the stack that runs here says where it is, written by `checkout_lab.stack`; gone when it has stopped.
STACK_FILE: Final = Path(".checkout") / "stack.json"


@dataclass(frozen=True)
class DevStack:
    """What commands need of the stack that runs here."""

    api_url: str
    support_key: str


def find_dev_stack(file: Path = STACK_FILE) -> DevStack | None:
    """The stack whose data is in ``./.checkout``; None when none runs there.

    Raises:
        ConfigurationError: the file is there and is not what a stack writes.
    """
    try:
        found = json.loads(file.read_text())
        return DevStack(str(found["api_url"]), str(found["support_key"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{file} is damaged: start `make dev` again, or remove the file") from None
