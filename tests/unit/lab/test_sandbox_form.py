"""Stripe's bracketed parameters."""

import pytest

from checkout_lab.sandbox.errors import ApiError
from checkout_lab.sandbox.http.form import boolean, integer, metadata, only, parse, required


def test_brackets_nest_and_lists_are_counted() -> None:
    text = b"amount=5&metadata[a]=1&metadata[b]=x+y%26&expand[]=one&expand[]=two&created[gte]=7&name="
    assert parse(text) == {
        "amount": "5",
        "metadata": {"a": "1", "b": "x y&"},
        "expand": {"0": "one", "1": "two"},
        "created": {"gte": "7"},
        "name": "",
    }
    assert parse(b"") == {}


@pytest.mark.parametrize("text", [b"a=1&a[b]=2", b"a[b]=2&a=1", b"[a]=1", b"a[b=1", b"a=%ff", b"a=1&" * 501])
def test_what_cannot_be_read_is_a_400(text: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        parse(text)
    assert refused.value.status == 400
    assert not refused.value.saved


@pytest.mark.parametrize("value", ["1.5", "1e3", "", "٣", "0x1", "1_000", " 1", "9" * 16])
def test_a_whole_number_is_digits_alone(value: str) -> None:
    if value == "":
        assert integer({"amount": value}, "amount") is None
        return
    with pytest.raises(ApiError) as refused:
        integer({"amount": value}, "amount")
    assert refused.value.body["error"]["code"] == "parameter_invalid_integer"


def test_a_boolean_is_true_or_false() -> None:
    assert boolean({"confirm": "true"}, "confirm") is True
    assert boolean({}, "confirm") is False
    with pytest.raises(ApiError):
        boolean({"confirm": "yes"}, "confirm")


def test_errors_name_the_parameter() -> None:
    with pytest.raises(ApiError) as unknown:
        only({"amuont": "5"}, frozenset({"amount"}))
    assert unknown.value.body["error"] == {
        "type": "invalid_request_error",
        "message": "Received unknown parameter: amuont",
        "code": "parameter_unknown",
        "param": "amuont",
    }
    with pytest.raises(ApiError) as absent:
        required({}, "currency")
    assert absent.value.body["error"]["param"] == "currency"


@pytest.mark.parametrize("pairs", ["text", {"k" * 41: "v"}, {"k": "v" * 501}, {str(i): "v" for i in range(51)}])
def test_metadata_has_its_limits(pairs: object) -> None:
    with pytest.raises(ApiError) as refused:
        metadata({"metadata": pairs})
    assert refused.value.body["error"]["param"] == "metadata"
