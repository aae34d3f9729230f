"""The documents tell the truth: what they name exists, and what exists is named."""

import ast
import re
from itertools import chain
from pathlib import Path

import pytest
from temporalio.client import Client

from api.app import create_app
from api.http.problems import PROBLEM_KINDS
from api.openapi.declared_headers import HEADERS
from checkout.domain import errors
from checkout.domain.messages import Timeouts
from checkout.domain.reconcile import MismatchKind
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.provisioning.schedule import SCHEDULE_ID
from checkout.temporal.names import SEARCH_ATTRIBUTES
from checkout_lab.sandbox import dashboard, routes
from checkout_lab.sandbox.faults import Faults
from checkout_lab.sandbox.objects.methods import METHODS
from tests.support.api_process import api_settings
from tests.support.project_facts import (
    HOUSES,
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
from workflows import policies
from workflows.checkout import STEPS

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
DECISIONS = sorted((ROOT / "docs/adr").glob("0*.md"))
API = (ROOT / "docs/reference/api.md").read_text()
SAGA = (ROOT / "docs/explanation/saga.md").read_text()
TEMPORAL = (ROOT / "docs/reference/temporal.md").read_text()
RUNBOOK = (ROOT / "docs/guides/runbook.md").read_text()
#: Where the program and its project name a page of the documents.
PROGRAM = [
    *(
        ROOT / name
        for name in ("worker.py", "pyproject.toml", "Makefile", "Dockerfile", "docker-compose.yml", ".ci/run")
    ),
    *chain.from_iterable((ROOT / house).rglob("*.py") for house in (*HOUSES, "tests")),
]

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
each_decision = pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)


def code_of(text: str) -> list[str]:
    """Every line of code: of the shell blocks, and between single backticks."""
    blocks_of_code = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [*chain.from_iterable(block.splitlines() for block in blocks_of_code), *re.findall(r"`([^`\n]+)`", prose)]
    return [line.removeprefix(".venv/bin/") for line in lines]


def command_of(line: str) -> str | None:
    """The command of `checkout` that a line calls, such as ``support show``; None if it calls no one command."""
    return next((known for known in commands() if re.match(rf"{known}\b", line)), None)


def is_group(line: str) -> bool:
    """Whether a line names several commands by what they have in common, as ``support`` does."""
    return any(known.startswith(f"{line} ") for known in commands())


def anchors(path: Path) -> set[str]:
    """The anchors that a document's headings have on GitHub."""
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)}


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


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


async def test_every_route_is_documented_and_no_other() -> None:
    app = create_app(api_settings(), await Client.connect("127.0.0.1:1", lazy=True))
    routes = {f"{method.upper()} {path}" for path, item in app.openapi()["paths"].items() for method in item}

    assert set(re.findall(r"^### `(.+)`$", API, re.MULTILINE)) == routes | {"GET /docs", "GET /openapi.json"}


def test_every_header_and_every_state_is_explained() -> None:
    named = set(re.findall(r"`([\w-]+)[^`]*`", API))
    states = {str(status) for status in [*CheckoutStatus, *PaymentStatus]}

    # The challenge of a 401 is the business of the client's library.
    assert (set(HEADERS) - {"WWW-Authenticate"} | states) - named == set()


@each_document
def test_no_document_names_a_metric_that_there_is_not(path: Path) -> None:
    known = metrics() | {f"{name}_{part}" for name in metrics() for part in ("bucket", "count", "sum")}
    api = r"`(checkout_(?:api|open|provider|reconcile|overview)_\w+)"
    named = {name for name in re.findall(api, path.read_text()) if not name.endswith("_")}

    assert named - known == set()


def test_everything_that_temporal_sees_is_named() -> None:
    names = handlers() | workflow_types() | {key.name for key in SEARCH_ATTRIBUTES} | {SCHEDULE_ID}

    assert {name for name in names if f"`{name}`" not in TEMPORAL} == set()


def test_the_runbook_has_every_state_that_waits_for_a_person_and_every_error_of_the_server() -> None:
    waiting = {str(status) for status in CheckoutStatus if status.name.endswith("_STUCK")}
    faults = {kind.code for kind in PROBLEM_KINDS.values() if kind.status >= 500}
    refusals = {"not_stuck", "action_under_way", "outcome_still_unknown", "contradicted_by_provider"}

    assert {name for name in waiting | faults | refusals if f"`{name}`" not in RUNBOOK} == set()


def test_the_runbook_explains_every_mismatch_and_whom_it_is_for() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (machine|person) \|", RUNBOOK, re.MULTILINE))

    assert rows == {str(k): "machine" if k.is_undone or k.is_orphan_payment else "person" for k in MismatchKind}


def test_every_heading_of_the_runbook_is_led_to_from_its_symptoms() -> None:
    symptoms = RUNBOOK[RUNBOOK.index("## Symptoms") : RUNBOOK.index("## Where to look")]
    named = set(re.findall(r"\]\(#([^)]+)\)", symptoms))
    headings = re.findall(r"^### (.+)$", RUNBOOK, re.MULTILINE)

    assert {anchor_of(heading) for heading in headings} - named == set()


def test_every_reason_is_explained_with_the_ending_it_leads_to() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (rejected|cancelled) \|", API, re.MULTILINE))

    assert rows == {str(reason): str(reason.ending) for reason in Reason if not reason.is_hold}


def test_every_reason_of_a_stuck_payment_is_explained_and_has_its_remedy() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| stuck \|", API, re.MULTILINE))
    table = RUNBOOK.split("| reason | repaired by |\n|---|---|\n")[1].split("\n\n")[0]
    remedies = set(re.findall(r"^\| `(\w+)` \| \S", table, re.MULTILINE))

    assert rows == remedies == {str(reason) for reason in Reason if reason.is_hold}


def test_contributing_says_what_goes_into_each_folder_of_tests() -> None:
    named = set(re.findall(r"`tests/(\w+)/`", (ROOT / "CONTRIBUTING.md").read_text()))
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}

    assert named == folders


def test_the_sagas_page_has_every_step_with_its_undo() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (?:`(\w+)`|none) \|", SAGA, re.MULTILINE)

    assert rows == [(step.do.__name__, step.undo.__name__ if step.undo else "") for step in STEPS]


def test_the_sagas_page_and_the_tree_of_errors_name_the_errors_that_no_retry_can_help() -> None:
    known = set(policies.database(Timeouts()).retry.non_retryable_error_types or ())
    row = next(line for line in SAGA.splitlines() if line.startswith("| fails, and no retry can help |"))
    tree = (errors.__doc__ or "").split("The names of ")[1].split(" stand in the retry policies")[0]

    assert set(re.findall(r"`(\w+)`", row)) == set(re.findall(r"`(\w+)`", tree)) == known


def test_an_undo_is_named_only_where_its_step_is_declared() -> None:
    undos = {step.undo.__name__ for step in STEPS if step.undo}
    strays = []
    for path in chain.from_iterable((ROOT / house).rglob("*.py") for house in ("workflows", "api")):
        tree = ast.parse(path.read_text())
        steps = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Step"]
        declared = {id(node) for step in steps for node in ast.walk(step)}
        strays += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in undos and id(node) not in declared
        ]

    assert strays == []


@each_document
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)", path.read_text())
    broken = []
    for target, anchor in links:
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(f"{target}#{anchor}")

    assert broken == []


@each_document
def test_every_file_that_a_document_names_exists(path: Path) -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|sql|sh|ya?ml|toml|csv))(?:::\w+)?`", path.read_text())

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_that_the_program_names_exists() -> None:
    broken = []
    for path in PROGRAM:
        for page, anchor in re.findall(r"\b(docs/[\w./-]+\.md)(?:#([\w-]+))?", path.read_text()):
            file = ROOT / page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                broken.append(f"{path.relative_to(ROOT)}: {page}#{anchor}")

    assert broken == []


def test_every_page_is_led_to_from_the_index() -> None:
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    listed = {Path(target) for target in re.findall(r"\]\(([\w./-]+\.md)\)", (ROOT / "docs/README.md").read_text())}
    decisions = {path.relative_to(ROOT / "docs") for path in DECISIONS}

    assert pages - decisions - {Path("README.md")} == listed


@each_decision
def test_every_decision_names_the_check_that_enforces_it(path: Path) -> None:
    checks = re.findall(r"^- `(.+)::(test_\w+)`$", path.read_text(), re.MULTILINE)

    assert checks
    for file, test in checks:
        assert re.search(rf"def {test}\(", (ROOT / file).read_text()), f"{file}::{test} is gone"


@pytest.mark.parametrize("page", ["README.md", "docs/guides/make-it-fail.md", "docs/tutorial/first-purchase.md"])
def test_a_page_offers_no_method_that_the_sandbox_has_not(page: str) -> None:
    offered = set(re.findall(r"\bpm_\w+", (ROOT / page).read_text()))

    assert offered
    assert offered <= METHODS.keys()


def test_the_sandboxs_page_names_every_method_fault_and_route() -> None:
    page = (ROOT / "docs/reference/sandbox.md").read_text()
    served = {path for _, path, _ in routes.API} | {route.path for route in dashboard.routes()}

    assert set(re.findall(r"`(pm_\w+)`", page)) == METHODS.keys()
    assert {name for name in Faults().as_dict() if f"`{name}`" not in page} == set()
    assert {path for path in served if path.replace("{name}", "{id}") not in page} == set()
