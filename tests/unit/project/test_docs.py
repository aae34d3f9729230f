"""The documents tell the truth: what they name exists, and what exists is named."""

import re
from itertools import chain
from pathlib import Path

import pytest
from temporalio.client import Client

from api.app import create_app
from api.http.problems import KINDS
from api.openapi.declared_headers import HEADERS
from checkout.domain.reconcile import MismatchKind
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.provisioning.schedule import SCHEDULE_ID
from checkout.temporal.client import SEARCH_ATTRIBUTES
from lab.sandbox import dashboard, routes
from lab.sandbox.faults import Faults
from lab.sandbox.objects.methods import METHODS
from tests.support.api_process import api_settings
from tests.support.project_facts import (
    ROOT,
    all_settings,
    blocks,
    commands,
    handlers,
    make_targets,
    metrics,
    options,
    with_blocks,
    workflow_types,
)

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
DECISIONS = sorted((ROOT / "docs/adr").glob("0*.md"))
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs/api.md").read_text()
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
RUNBOOK = (ROOT / "docs/runbook.md").read_text()

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
each_decision = pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)


def code_of(text: str) -> list[str]:
    """Every line of code: of the shell blocks, and between single backticks."""
    blocks_of_code = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [*chain.from_iterable(block.splitlines() for block in blocks_of_code), *re.findall(r"`([^`\n]+)`", prose)]
    return [line.removeprefix(".venv/bin/") for line in lines]


def command_of(line: str) -> str | None:
    """The command of ours that a line calls, such as ``support show``; None if it calls no one command."""
    return next((known for known in commands() if re.match(rf"{known}\b", line)), None)


def is_group(line: str) -> bool:
    """Whether a line names several commands by what they have in common, as ``support`` does."""
    return any(known.startswith(f"{line} ") for known in commands())


def anchors(path: Path) -> set[str]:
    """The anchors that a document's headings have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_tables_and_diagrams_are_those_of_the_code(path: Path) -> None:
    text = path.read_text()

    assert text == with_blocks(text), "python -m tests.support.project_facts brings the documents up to date"


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
    assert [line for line in called if command_of(line) is None and not is_group(line)] == []


@each_document
def test_every_option_that_a_document_names_exists(path: Path) -> None:
    called = [line.removeprefix("checkout ") for line in code_of(path.read_text()) if re.match(r"checkout [a-z]", line)]
    unknown = []
    for line in called:
        known = options().get(command_of(line) or "", set())
        # What stands in quotes or behind a # is not an option.
        unknown += [name for name in re.findall(r"--[a-z-]+", re.sub(r'"[^"]*"|#.*', "", line)) if name not in known]

    assert unknown == []


def test_every_command_is_documented() -> None:
    named = code_of(OPERATIONS) + code_of(README) + code_of(RUNBOOK)

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


def test_every_metric_is_explained() -> None:
    assert {name for name in metrics() if f"`{name}`" not in API} == set()


def test_everything_that_temporal_sees_is_named() -> None:
    names = handlers() | workflow_types() | {key.name for key in SEARCH_ATTRIBUTES} | {SCHEDULE_ID}

    assert {name for name in names if f"`{name}`" not in ARCHITECTURE} == set()


def test_the_runbook_has_every_state_that_waits_for_a_person_and_every_fault_of_ours() -> None:
    waiting = {str(status) for status in CheckoutStatus if status.name.endswith("_STUCK")}
    faults = {kind.code for kind in KINDS.values() if kind.status >= 500}
    refusals = {"not_stuck", "action_under_way", "outcome_still_unknown", "contradicted_by_provider"}

    assert {name for name in waiting | faults | refusals if f"`{name}`" not in RUNBOOK} == set()


def test_the_runbook_explains_every_mismatch_and_whom_it_is_for() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (machine|person) \|", RUNBOOK, re.MULTILINE))

    assert rows == {str(k): "machine" if k.is_undone or k.is_given_back else "person" for k in MismatchKind}


def test_every_heading_of_the_runbook_is_led_to_from_its_symptoms() -> None:
    symptoms = RUNBOOK[RUNBOOK.index("## Symptoms") : RUNBOOK.index("## Where to look")]
    named = set(re.findall(r"\]\(#([^)]+)\)", symptoms))
    headings = re.findall(r"^### (.+)$", RUNBOOK, re.MULTILINE)

    assert {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} - named == set()


def test_every_reason_is_explained_with_the_ending_it_leads_to() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (rejected|cancelled) \|", API, re.MULTILINE))

    assert rows == {str(reason): str(reason.ending) for reason in Reason if not reason.is_hold}


def test_every_reason_of_a_stuck_payment_is_explained_and_has_its_remedy() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| stuck \|", API, re.MULTILINE))
    remedies = set(re.findall(r"^\| `(\w+)` \| put right by: ", RUNBOOK, re.MULTILINE))

    assert rows == remedies == {str(reason) for reason in Reason if reason.is_hold}


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
    offered = set(re.findall(r"`(pm_\w+)`", README))

    assert offered
    assert offered <= METHODS.keys()


def test_the_sandboxs_page_names_every_method_fault_and_route() -> None:
    page = (ROOT / "docs/sandbox.md").read_text()
    served = {path for _, path, _ in routes.API} | {route.path for route in dashboard.routes()}

    assert set(re.findall(r"`(pm_\w+)`", page)) == METHODS.keys()
    assert {name for name in Faults().as_dict() if f"`{name}`" not in page} == set()
    assert {path for path in served if path.replace("{name}", "{id}") not in page} == set()
