"""``checkout support``: what the support routes do, for a terminal. Here are the options; the work is beside it."""

from typing import Annotated

import typer

from checkout.cli.failures import explained

app = typer.Typer(
    help="Find checkouts, read what happened to them, and act where a person has to.", no_args_is_help=True
)

Id = Annotated[str, typer.Argument(metavar="CHECKOUT", help="The id of the checkout, chk_….")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit log.")]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="A key of the scope support (environment: CHECKOUT_SUPPORT_KEY; default: that of ./.checkout).",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where the API is (environment: CHECKOUT_API_URL; default: http://127.0.0.1:8000).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the API's response as one line of JSON.")]
IdempotencyKey = Annotated[
    str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same command with the same key acts once.")
]


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - one parameter an option
    status: Annotated[str | None, typer.Option(help="Such as payment_stuck.")] = None,
    customer: Annotated[str | None, typer.Option(metavar="ID", help="Of this customer.")] = None,
    order: Annotated[str | None, typer.Option(metavar="NUMBER", help="With this order number.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Created then or later; ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Created before then; ISO 8601.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(metavar="CURSOR", help="Go on where a page ended.")] = None,
    json: Json = False,
    api_url: Url = None,
    key: Key = None,
) -> None:
    """List checkouts, newest first: all, or those that match every filter."""
    wanted = {
        "status": status,
        "customer_id": customer,
        "order_number": order,
        "since": since,
        "until": until,
        "limit": str(limit),
        "cursor": cursor,
    }
    with explained():
        from checkout.cli.support_client import open_client  # noqa: PLC0415
        from checkout.cli.support_tables import print_json, print_list  # noqa: PLC0415

        with open_client(api_url, key) as client:
            page = client.find({name: value for name, value in wanted.items() if value is not None})
        (print_json if json else print_list)(page)


@app.command()
def show(checkout: Id, json: Json = False, api_url: Url = None, key: Key = None) -> None:
    """Show a checkout, everything that happened to it, and what may be done."""
    with explained():
        from checkout.cli.support_client import open_client  # noqa: PLC0415
        from checkout.cli.support_tables import print_detail, print_json  # noqa: PLC0415

        with open_client(api_url, key) as client:
            detail = client.look_up(checkout)
        (print_json if json else print_detail)(detail)


@app.command()
def retry(
    checkout: Id,
    reason: Reason,
    method: Annotated[str | None, typer.Option(metavar="PM", help="Another payment method, pm_….")] = None,
    idempotency_key: IdempotencyKey = None,
    json: Json = False,
    api_url: Url = None,
    key: Key = None,
) -> None:
    """Charge a stuck payment again, once it is certain that the previous attempt took nothing."""
    body = {"reason": reason} | ({"payment_method": method} if method else {})
    _act(checkout, "retry-payment", body, idempotency_key, (api_url, key), json)


@app.command()
def resolve(  # noqa: PLR0913, PLR0917 - one parameter an option
    checkout: Id,
    outcome: Annotated[str, typer.Option(metavar="captured|not_charged", help="What became of the payment.")],
    reason: Reason,
    reference: Annotated[
        str | None, typer.Option(metavar="PI", help="The provider's id of the payment, pi_…, as a proof.")
    ] = None,
    idempotency_key: IdempotencyKey = None,
    json: Json = False,
    api_url: Url = None,
    key: Key = None,
) -> None:
    """Say what became of a stuck payment. The provider is asked, and believed when it responds."""
    body = {"outcome": outcome, "reason": reason} | ({"provider_reference": reference} if reference else {})
    _act(checkout, "resolve-payment", body, idempotency_key, (api_url, key), json)


@app.command()
def cancel(
    checkout: Id,
    reason: Reason,
    idempotency_key: IdempotencyKey = None,
    json: Json = False,
    api_url: Url = None,
    key: Key = None,
) -> None:
    """Undo a checkout: the money is refunded, the stock is released."""
    _act(checkout, "cancel", {"reason": reason}, idempotency_key, (api_url, key), json)


def _act(
    checkout: str,
    action: str,
    body: dict[str, str],
    idempotency_key: str | None,
    api: tuple[str | None, str | None],
    json: bool,
) -> None:
    with explained():
        from checkout.cli.support_client import open_client  # noqa: PLC0415
        from checkout.cli.support_tables import print_json, print_view  # noqa: PLC0415

        with open_client(*api) as client:
            view = client.act(checkout, action, body, idempotency_key)
        (print_json if json else print_view)(view)
