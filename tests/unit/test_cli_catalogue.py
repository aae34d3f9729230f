"""A catalogue file is taken whole or refused with the line of every fault."""

from pathlib import Path

import pytest

from checkout.cli.catalogue_file import read_catalogue
from checkout.db.catalogue import Product
from checkout.domain.errors import InvalidCatalogue
from tests.support.names import NAMES

HEADER = "sku,name,price_minor,currency,on_hand\n"


def written(directory: Path, content: str | bytes) -> Path:
    path = directory / "catalogue.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def faults(directory: Path, content: str | bytes) -> list[str]:
    """The text of the refusal, a line each, without the file's name."""
    path = written(directory, content)
    with pytest.raises(InvalidCatalogue) as refused:
        read_catalogue(path)
    return [line.removeprefix(f"{path}: ") for line in str(refused.value).splitlines()]


@pytest.mark.parametrize(
    "content",
    [
        HEADER + 'TEE,"T-shirt, blue",2490,EUR,5\n',
        "\ufeff" + HEADER + 'TEE,"T-shirt, blue",2490,EUR,5\n',
        (HEADER + 'TEE,"T-shirt, blue",2490,EUR,5').replace("\n", "\r\n"),
        HEADER + '\nTEE,"T-shirt, blue",2490,EUR,5\n\n',
    ],
    ids=["plain", "byte-order mark", "windows line ends", "blank lines"],
)
def test_a_good_file_is_read_however_it_was_saved(tmp_path: Path, content: str) -> None:
    rows = read_catalogue(written(tmp_path, content))

    assert [row.product for row in rows] == [Product("TEE", "T-shirt, blue", 2490, "EUR", 5)]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (",Mug,1,EUR,1", "sku ''"),
        ("A B,Mug,1,EUR,1", "sku 'A B'"),
        ("MÜG,Mug,1,EUR,1", "sku 'MÜG'"),
        ("M" * 65 + ",Mug,1,EUR,1", "sku 'MMM"),
        ("MUG,,1,EUR,1", "name ''"),
        ("4242424242424242,Mug,1,EUR,1", "the sku looks like a card number"),
        ("MUG-4242-4242-4242-4242,Mug,1,EUR,1", "the sku looks like a card number"),
        ("MUG,  ,1,EUR,1", "name '  '"),
        ("MUG,\u00a0\u202f,1,EUR,1", "name '\\xa0"),
        ("MUG,\u200d\u200c,1,EUR,1", "name '\\u200d"),
        ("MUG,a\u202eb,1,EUR,1", "name 'a\\u202eb'"),
        ("MUG,a\u2066b,1,EUR,1", "name 'a\\u2066b'"),
        ("MUG,a\u200fb,1,EUR,1", "name 'a\\u200fb'"),
        ("MUG,a\u2028b,1,EUR,1", "name 'a\\u2028b'"),
        ("MUG,a\u2029b,1,EUR,1", "name 'a\\u2029b'"),
        ("MUG,a\u0085b,1,EUR,1", "name 'a\\x85b'"),
        ("MUG,a\tb,1,EUR,1", "name 'a\\tb'"),
        ("MUG,a\ufeffb,1,EUR,1", "name 'a\\ufeffb'"),
        ("MUG,a\U000e0041b,1,EUR,1", "name 'a\\U000e0041b'"),
        ("MUG,a\x07b,1,EUR,1", "name 'a\\x07b'"),
        ("MUG," + "n" * 201 + ",1,EUR,1", "name 'nnn"),
        ("MUG,Mug,-1,EUR,1", "price_minor '-1'"),
        ("MUG,Mug,12.90,EUR,1", "price_minor '12.90'"),
        ("MUG,Mug,1_000,EUR,1", "price_minor '1_000'"),
        ("MUG,Mug,٣,EUR,1", "price_minor '٣'"),
        ("MUG,Mug,1000000000000,EUR,1", "price_minor '1000000000000'"),
        ("MUG,Mug," + "9" * 5000 + ",EUR,1", "price_minor '999"),
        ("MUG,Mug,1,eur,1", "currency 'eur'"),
        ("MUG,Mug,1,XXX,1", "currency 'XXX'"),
        ("MUG,Mug,1,EUR,", "on_hand ''"),
        ("MUG,Mug,1,EUR,1000000000001", "on_hand '1000000000001'"),
        ("MUG,Mug,1,EUR", "4 columns instead of 5"),
        ("MUG,Mug,1,EUR,1,", "6 columns instead of 5"),
    ],
)
def test_a_bad_cell_is_named_with_its_line(tmp_path: Path, row: str, fault: str) -> None:
    (line,) = faults(tmp_path, HEADER + "GOOD,Good,1,EUR,1\n" + row + "\n")

    assert line.startswith(f"line 3: {fault}")


def test_a_sku_that_may_be_a_card_number_is_not_repeated(tmp_path: Path) -> None:
    (line,) = faults(tmp_path, HEADER + "4242424242424242,Mug,1,EUR,1\n")

    assert line == "line 2: the sku looks like a card number, which no checkout may hold; give the article another"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_taken_as_its_language_writes_it(tmp_path: Path, name: str) -> None:
    (row,) = read_catalogue(written(tmp_path, f"{HEADER}TEE,{name},2490,EUR,5\n"))

    assert row.product.name == name


def test_every_bad_line_is_named_and_lines_within_quotes_are_counted(tmp_path: Path) -> None:
    content = HEADER + 'A,"two\nlines",1,EUR,1\nB,Mug,x,EUR,1\nC,Mug,1,EUR,1\nC,Mug,1,EUR,1\n'

    assert [line.split(":")[0] for line in faults(tmp_path, content)] == ["line 2", "line 4", "line 6"]
    assert faults(tmp_path, content)[2] == "line 6: sku C was on line 5 already"


def test_after_twenty_faults_the_rest_is_counted(tmp_path: Path) -> None:
    lines = faults(tmp_path, HEADER + "MUG\n" * 25)

    assert len(lines) == 21
    assert lines[-1] == "and 5 more"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "line 1: the first line must be sku,name,price_minor,currency,on_hand"),
        ("name,sku,price_minor,currency,on_hand\n", "line 1: the first line must be sku"),
        (HEADER, "no article in it"),
        (HEADER.encode() + b"MUG,M\xfcg,1,EUR,1\n", "line 2: not UTF-8"),
        (HEADER + 'MUG,"Mug,1,EUR,1\n', "line 2: not CSV"),
    ],
    ids=["empty", "other columns", "header alone", "latin-1", "open quote"],
)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, content: str | bytes, fault: str) -> None:
    (line,) = faults(tmp_path, content)

    assert line.startswith(fault)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match="cannot be read: No such file"):
        read_catalogue(tmp_path / "none.csv")
