"""A catalogue file: a CSV with an article on each line, read, checked and imported, all of it or nothing."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from checkout.db.catalogue import MAX_ON_HAND, Product, import_products
from checkout.domain.errors import InvalidCatalogue
from checkout.domain.money import CURRENCIES, MAX_AMOUNT_MINOR
from checkout.domain.text import is_name, looks_like_a_card_number

COLUMNS = ("sku", "name", "price_minor", "currency", "on_hand")
MAX_NAME_CHARACTERS = 200
_FAULTS_SHOWN = 20


@dataclass(frozen=True)
class CatalogueRow:
    """One article, and the line of the file that it starts on."""

    line: int
    product: Product


async def import_catalogue(engine: AsyncEngine, path: Path) -> int:
    """Insert or update every article of the CSV file in one transaction; returns how many there were.

    Raises:
        InvalidCatalogue: the file cannot be read, or has a bad row; nothing was imported.
        sqlalchemy.exc.OperationalError: the database is away.
    """
    rows = read_catalogue(path)
    faults = await import_products(engine, [row.product for row in rows])
    _refuse(path, [f"line {row.line}: {faults[row.product.sku]}" for row in rows if row.product.sku in faults])
    return len(rows)


def read_catalogue(path: Path) -> list[CatalogueRow]:
    """Read and check the file.

    Raises:
        InvalidCatalogue: it is no such file; the text names every bad line, up to twenty.
    """
    rows: list[CatalogueRow] = []
    faults: list[str] = []
    first_line: dict[str, int] = {}
    for line, cells in _numbered(path):
        found = list(_faults(cells, first_line))
        faults += [f"line {line}: {fault}" for fault in found]
        first_line.setdefault(cells[0], line)
        if not found:
            rows.append(CatalogueRow(line, _product(cells)))
    _refuse(path, faults if rows or faults else ["no article in it"])
    return rows


def _numbered(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every row below the header, with the line that it starts on; a blank line is no row."""
    reader = csv.reader(io.StringIO(_read(path), newline=""), strict=True)
    line = 1
    try:
        _check_header(path, next(reader, []))
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidCatalogue(f"{path}: line {line}: not CSV ({error})") from None


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidCatalogue(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InvalidCatalogue(f"{path}: line {line}: not UTF-8") from None


def _check_header(path: Path, cells: list[str]) -> None:
    if tuple(cells) != COLUMNS:
        raise InvalidCatalogue(f"{path}: line 1: the first line must be {','.join(COLUMNS)}")


def _faults(cells: list[str], first_line: dict[str, int]) -> Iterator[str]:
    if len(cells) != len(COLUMNS):
        yield f"{len(cells)} columns instead of {len(COLUMNS)}"
        return
    sku, name, price_minor, currency, on_hand = cells
    if not 1 <= len(sku) <= 64 or not all("!" <= c <= "~" for c in sku):
        yield f"sku {sku[:80]!r} is not 1-64 visible ASCII characters"
    elif looks_like_a_card_number(sku):
        # The number itself is not repeated: it may be a real one, and this is read in terminals and logs.
        yield "the sku looks like a card number, which no checkout may hold; give the article another"
    elif sku in first_line:
        yield f"sku {sku} was on line {first_line[sku]} already"
    if not is_name(name, MAX_NAME_CHARACTERS):
        yield f"name {name[:80]!r} is not 1-{MAX_NAME_CHARACTERS} printable characters"
    if not _is_number(price_minor, MAX_AMOUNT_MINOR):
        yield f"price_minor {price_minor[:40]!r} is not a whole number of minor units from 0 to {MAX_AMOUNT_MINOR}"
    if currency not in CURRENCIES:
        yield f"currency {currency[:40]!r} is not an ISO 4217 code"
    if not _is_number(on_hand, MAX_ON_HAND):
        yield f"on_hand {on_hand[:40]!r} is not a whole number from 0 to {MAX_ON_HAND}"


def _is_number(cell: str, largest: int) -> bool:
    # Python would also take signs, underscores, blanks and other scripts' digits.
    return cell.isascii() and cell.isdigit() and len(cell) <= 13 and int(cell) <= largest


def _product(cells: list[str]) -> Product:
    sku, name, price_minor, currency, on_hand = cells
    return Product(sku, name, int(price_minor), currency, int(on_hand))


def _refuse(path: Path, faults: Iterable[str]) -> None:
    lines = [f"{path}: {fault}" for fault in faults]
    if len(lines) > _FAULTS_SHOWN:
        lines[_FAULTS_SHOWN:] = [f"{path}: and {len(lines) - _FAULTS_SHOWN} more"]
    if lines:
        raise InvalidCatalogue("\n".join(lines))
