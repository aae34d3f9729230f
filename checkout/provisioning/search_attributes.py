"""Makes the search attributes known to a Temporal namespace."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from checkout.domain.errors import ConfigurationError
from checkout.temporal.names import SEARCH_ATTRIBUTES

_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD


async def register_search_attributes(client: Client) -> list[str]:
    """Register those that the client's namespace lacks, and return their names.

    Raises:
        ConfigurationError: one of them has another type already, or the server lets nobody register them this way,
            as Temporal Cloud does; the text says what to do instead.
        RPCError: the server cannot be reached, or the namespace does not exist.
    """
    known = await _known(client)
    _refuse_other_types(known)
    missing = [key.name for key in SEARCH_ATTRIBUTES if key.name not in known]
    if missing:
        await _add(client, missing)
    return missing


async def _known(client: Client) -> dict[str, int]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        response = await client.operator_service.list_search_attributes(request)
    except RPCError as error:
        raise _explained(error, client.namespace) from error
    return dict(response.custom_attributes)


def _refuse_other_types(known: dict[str, int]) -> None:
    for key in SEARCH_ATTRIBUTES:
        if known.get(key.name, _KEYWORD) != _KEYWORD:
            kind = IndexedValueType.Name(IndexedValueType.ValueType(known[key.name]))
            raise ConfigurationError(f"the search attribute {key.name} exists as {kind}, and must be a Keyword")


async def _add(client: Client, names: list[str]) -> None:
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=dict.fromkeys(names, _KEYWORD))
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        # Another `checkout migrate` may have been a moment faster.
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise _explained(error, client.namespace) from error


def _explained(error: RPCError, namespace: str) -> Exception:
    if error.status not in (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED):
        return error
    names = ", ".join(key.name for key in SEARCH_ATTRIBUTES)
    return ConfigurationError(
        f"Temporal does not let us register search attributes in {namespace} ({error.message}). On Temporal Cloud, add "
        f"{names}, each of type Keyword, in the namespace's settings or with `tcld namespace search-attributes add`"
    )
