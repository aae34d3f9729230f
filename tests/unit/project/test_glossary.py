"""The words that the glossary forbids stand in no docstring, comment or text of the program, and in no document."""

import io
import re
import tokenize
from itertools import chain
from pathlib import Path

import pytest

from tests.support.project_facts import HOUSES, ROOT

GLOSSARY = ROOT / "docs/glossary.md"
#: Heading of the glossary's table of words that are not used.
NOT_USED = "## Words that are not used"
PROGRAM = [ROOT / "worker.py", *chain.from_iterable(sorted((ROOT / house).rglob("*.py")) for house in HOUSES)]
#: The changelog tells what a word was before; it is not among them.
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


def rows(section: str) -> list[str]:
    """The first column of the section's table."""
    return re.findall(r"^\| (?!term |not used )([^|]+?) \|", section, re.MULTILINE)


def forbidden() -> re.Pattern[str]:
    table = GLOSSARY.read_text().split(NOT_USED)[1]
    words = [word.strip() for row in rows(table) for word in row.split(",")]
    assert words
    phrases = [r"\s+".join(map(re.escape, word.split())) for word in words]
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b", re.IGNORECASE)


FORBIDDEN = forbidden()


def prose_of_code(source: str) -> str:
    """What people read of a module: docstrings, comments and texts, without names of code in backticks."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    texts = [token.string.lstrip("#: ") for token in tokens if token.type in kinds]
    return without_code("\n".join(texts))


def prose_of_document(text: str) -> str:
    """A document without its code, and without what is made from the program, where the word is found anyway."""
    text = re.sub(r"<!-- ([\w ]+) -->.*?<!-- /\1 -->", "", text, flags=re.DOTALL)
    return without_code(re.sub(r"```.*?```", "", text.split(NOT_USED)[0], flags=re.DOTALL))


def without_code(text: str) -> str:
    return re.sub(r"\]\([^)]*\)|``[^`]*``|`[^`\n]*`", " ", text)


def found_in(prose: str) -> list[str]:
    return [" ".join(match[0].split()) for match in FORBIDDEN.finditer(prose)]


@each(PROGRAM)
def test_the_program_uses_no_word_that_the_glossary_forbids(path: Path) -> None:
    assert found_in(prose_of_code(path.read_text())) == []


@each(DOCUMENTS)
def test_a_document_uses_no_word_that_the_glossary_forbids(path: Path) -> None:
    assert found_in(prose_of_document(path.read_text())) == []


def test_a_forbidden_word_is_found_in_docstrings_comments_and_texts_and_not_in_names() -> None:
    source = '"""It Answers."""\n# asked\n# on\ntext = "a yardstick"\nanswer = "`desk`"\n'

    assert found_in(prose_of_code(source)) == ["Answers", "asked on", "yardstick"]


def test_a_forbidden_word_is_found_in_a_document_and_not_in_its_code() -> None:
    text = "It answers.\n```sh\nanswer\n```\n`desk`, [here](desk.md)\n<!-- faults -->\ndesk\n<!-- /faults -->\n"

    assert found_in(prose_of_document(text)) == ["answers"]


def test_every_group_of_the_glossary_is_in_alphabetical_order() -> None:
    for section in GLOSSARY.read_text().split("\n## ")[1:]:
        terms = [term.lower() for term in rows(section)]

        assert terms == sorted(terms)


def test_no_term_is_explained_twice() -> None:
    terms = rows(GLOSSARY.read_text().split(NOT_USED)[0])

    assert len(terms) == len(set(terms))
