"""The documents tell the truth: what they name exists, and what exists is named."""

import re
from itertools import chain
from pathlib import Path

import pytest
from temporalio.client import Client

from api.app import create_app
from api.declared_headers import HEADERS
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from tests.code_facts import ROOT, all_settings, blocks, commands, make_targets, with_blocks
from tests.integration.api_process import api_settings

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
DECISIONS = sorted((ROOT / "docs/adr").glob("0*.md"))
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs/api.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
each_decision = pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)


def code_of(text: str) -> list[str]:
    """Every line of code: of the shell blocks, and between single backticks."""
    blocks_of_code = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [*chain.from_iterable(block.splitlines() for block in blocks_of_code), *re.findall(r"`([^`\n]+)`", prose)]


def anchors(path: Path) -> set[str]:
    """The anchors that a document's headings have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_tables_and_diagrams_are_those_of_the_code(path: Path) -> None:
    text = path.read_text()

    assert text == with_blocks(text), "python -m tests.code_facts brings the documents up to date"


def test_every_table_and_diagram_stands_somewhere() -> None:
    everything = "".join(path.read_text() for path in DOCUMENTS)

    assert [name for name in blocks() if f"<!-- {name} -->" not in everything] == []


@each_document
def test_no_document_names_a_setting_that_there_is_not(path: Path) -> None:
    named = set(re.findall(r"CHECKOUT_[A-Z_]*[A-Z]", path.read_text()))

    assert named - set(all_settings()) == set()


@each_document
def test_every_command_that_a_document_names_exists(path: Path) -> None:
    code = code_of(path.read_text())
    made = {match[1] for line in code if (match := re.match(r"make ([a-z]+)", line))}
    called = {line.removeprefix("checkout ") for line in code if re.match(r"checkout [a-z]", line)}

    assert made - make_targets() == set()
    assert [line for line in called if not any(re.match(rf"{known}\b", line) for known in commands())] == []


def test_every_command_is_documented() -> None:
    named = code_of(OPERATIONS) + code_of(README)

    assert {c for c in commands() - {"dev"} if not any(line.startswith(f"checkout {c}") for line in named)} == set()


async def test_every_route_is_documented_and_no_other() -> None:
    app = create_app(api_settings(), await Client.connect("127.0.0.1:1", lazy=True))
    routes = {f"{method.upper()} {path}" for path, item in app.openapi()["paths"].items() for method in item}

    assert set(re.findall(r"^### `(.+)`$", API, re.MULTILINE)) == routes | {"GET /docs", "GET /openapi.json"}


def test_every_header_and_every_state_is_explained() -> None:
    named = set(re.findall(r"`([\w-]+)[^`]*`", API))
    states = {str(status) for status in [*CheckoutStatus, *PaymentStatus]}

    # The challenge of a 401 is the business of the client's library.
    assert (set(HEADERS) - {"WWW-Authenticate"} | states) - named == set()


def test_every_reason_is_explained_with_the_ending_it_leads_to() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (rejected|cancelled) \|", API, re.MULTILINE))

    assert rows == {str(reason): str(reason.ending) for reason in Reason}


@each_document
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)", path.read_text())
    broken = []
    for target, anchor in links:
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(f"{target}#{anchor}")

    assert broken == []


@each_decision
def test_every_decision_names_the_check_that_enforces_it(path: Path) -> None:
    checks = re.findall(r"^- `(.+)::(test_\w+)`$", path.read_text(), re.MULTILINE)

    assert checks
    for file, test in checks:
        assert re.search(rf"def {test}\(", (ROOT / file).read_text()), f"{file}::{test} is gone"


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\((0\d+-[\w-]+\.md)\)", (ROOT / "docs/adr/README.md").read_text())

    assert listed == [path.name for path in DECISIONS]


def test_the_readme_offers_no_method_that_the_sandbox_has_not() -> None:
    sandbox = (ROOT / "checkout/sandbox/cards.py").read_text()
    offered = set(re.findall(r"`(pm_\w+)`", README))

    assert offered
    assert {method for method in offered if f'"{method}"' not in sandbox} == set()
