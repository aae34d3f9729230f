"""The shop that a campaign happens in: how long things wait there, and what is on its shelves."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from checkout_lab.chaos.checker.checker import Checker
from checkout_lab.chaos.load.scenarios import FOREIGN_CURRENCY, FOREIGN_SKU, HOT, PLENTY, SCARCE, STUCK_AFTER_SECONDS
from checkout_lab.chaos.system.system import System
from checkout_lab.stack.stack import StackInfo

#: Short, so that a campaign sees the ends of all waits.
SETTINGS: Final[Mapping[str, str]] = {
    "CHECKOUT_PAYMENT_STUCK_AFTER_SECONDS": f"{STUCK_AFTER_SECONDS:g}",
    "CHECKOUT_PAYMENT_WINDOW_SECONDS": "8",
    "CHECKOUT_PROVIDER_TIMEOUT_SECONDS": "2",
    "CHECKOUT_RECONCILE_EVERY_SECONDS": "5",
    # Everything that ends is compared for some minutes; the whole campaign each time would be a load of its own.
    "CHECKOUT_RECONCILE_WINDOW_HOURS": "0.05",
}
_SHELVES: Final = PLENTY | SCARCE | HOT


async def fill_shelves(system: System) -> None:
    """Put everything that shoppers ask for into the catalogue."""
    by_price: dict[int, dict[str, int]] = {}
    for sku, (price_minor, units) in _SHELVES.items():
        by_price.setdefault(price_minor, {})[sku] = units
    for price_minor, units_by_sku in by_price.items():
        await system.stock(units_by_sku, price_minor=price_minor)
    await system.stock({FOREIGN_SKU: 1_000_000}, currency=FOREIGN_CURRENCY)


def checker_of(info: StackInfo) -> Checker:
    """The checker of such a shop, who knows what was put on the shelves."""
    units = {sku: units for sku, (_, units) in _SHELVES.items()}
    prices = {sku: price_minor for sku, (price_minor, _) in _SHELVES.items()}
    return Checker(info.database_url, info.sandbox_url, units, prices)


def write_down(info: StackInfo, path: Path) -> None:
    """Tell whoever wants to look on where everything is. There are keys in it, so it is for its owner alone."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(asdict(info), indent=1))
    # There is never half of it to be read.
    unfinished.rename(path)
