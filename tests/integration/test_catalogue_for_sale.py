"""Whatever can be imported can be bought: the catalogue and the API mean the same by an article."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from checkout.cli.catalogue_file import import_catalogue
from checkout.domain.errors import InvalidCatalogue
from tests.support.api_process import Storefront, open_storefront, problem
from tests.support.names import NAMES
from tests.support.shop import open_shop

#: All that a SKU may be: every character of it, the longest, a barcode, and numbers that are no card's.
SKUS = ["!", "~" * 64, "".join(map(chr, range(33, 97))), "".join(map(chr, range(97, 127))), "4006381333931"]
SKUS += ["4242424242424241", "424242424242", "a4242424242424242", "0", "=1+1", "-", "'", '"', "\\"]


async def imported(engine: AsyncEngine, directory: Path, articles: dict[str, str]) -> None:
    """Import articles for nothing, so that no provider is needed; the name of each by its SKU."""
    quoted = [[cell.replace('"', '""') for cell in article] for article in articles.items()]
    rows = "".join(f'"{sku}","{name}",0,EUR,10\n' for sku, name in quoted)
    path = directory / "catalogue.csv"
    path.write_text("sku,name,price_minor,currency,on_hand\n" + rows)
    assert await import_catalogue(engine, path) == len(articles)


async def bought(storefront: Storefront, sku: str) -> dict[str, str]:
    """Buy one of it; the line of the view."""
    lines = [{"sku": sku, "quantity": 1}]
    view = (await storefront.buy(wait=20, lines=lines, expected_total_minor=0)).json()
    assert view["status"] == "confirmed", view
    (line,) = view["lines"]
    return {"sku": line["sku"], "name": line["name"]}


async def test_every_sku_and_every_name_that_is_imported_can_be_bought(
    temporal_client: Client, engine: AsyncEngine, tmp_path: Path
) -> None:
    articles = dict.fromkeys(SKUS, "Mug") | {f"NAME-{place}": name for place, name in enumerate(NAMES.values())}
    await imported(engine, tmp_path, articles)
    async with (
        open_storefront(temporal_client) as storefront,
        open_shop(temporal_client, engine),
    ):
        for sku, name in articles.items():
            assert await bought(storefront, sku) == {"sku": sku, "name": name}


@pytest.mark.parametrize("sku", ["4242424242424242", "X-4242-4242-4242-4242", "pan:378282246310005"])
async def test_the_import_refuses_a_sku_that_looks_like_a_card_number(
    temporal_client: Client, engine: AsyncEngine, tmp_path: Path, sku: str
) -> None:
    with pytest.raises(InvalidCatalogue, match="line 2: the sku looks like a card number"):
        await imported(engine, tmp_path, {sku: "Mug"})
    async with open_storefront(temporal_client) as storefront:
        refused = await storefront.buy(lines=[{"sku": sku, "quantity": 1}])
    assert problem(refused) == (422, "invalid_request")
