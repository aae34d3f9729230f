"""The keys of a developer's stack: made once, kept in its data directory, readable by its owner alone."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Self

from checkout_lab.stack.errors import StackError


@dataclass(frozen=True)
class DevSecrets:
    """What the processes of one stack share, and what a storefront and a support agent call it with."""

    storefront_key: str
    support_key: str
    id_secret: str
    webhook_secret: str
    stripe_api_key: str

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """Those of the file, or new ones in it.

        Raises:
            StackError: the file is damaged.
        """
        if path.exists():
            return cls._load(path)
        made = cls(
            storefront_key=f"storefront_{token_urlsafe(24)}",
            support_key=f"support_{token_urlsafe(24)}",
            id_secret=token_urlsafe(32),
            webhook_secret=f"whsec_{token_urlsafe(24)}",
            stripe_api_key=f"sk_test_{token_urlsafe(24)}",
        )
        write_private(path, asdict(made))
        return made

    @classmethod
    def _load(cls, path: Path) -> Self:
        try:
            saved = json.loads(path.read_text())
            return cls(**{field.name: str(saved[field.name]) for field in fields(cls)})
        except (ValueError, KeyError, TypeError):
            raise StackError(f"{path} is damaged: move it away, and new keys are made") from None


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write a file of JSON that its owner alone may read: complete or not at all, whenever the process is killed."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    unfinished.rename(path)
