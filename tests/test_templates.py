"""What the other side reads in a filled template is always what went in."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, quote_plus, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.templates import NAMES, Template, body_template, header_template, url_template

NASTY = ['", "status": "paid', "&status=paid", "'", "''", "\\", "%22", "{reason}", "+", "a=b&c", "#?/"]
VALUES = st.fixed_dictionaries(
    {
        name: st.text(st.characters(codec="utf-8"), min_size=1)
        | st.sampled_from(
            ['", "status": "paid', "&status=paid", "'", "''", "\\", "%22", "{reason}", "+", "a=b&c", "#?/"]
        )
        for name in NAMES
    }
)
TEXTS = st.sampled_from([f"{{{name}}}" for name in NAMES]) | st.lists(
    st.sampled_from(["{reason}", "№ ", ": ", "Отмена ", "-", "[x] "])
).map("".join)


def filled(text: str, values: dict[str, str]) -> str:
    for name in NAMES:
        text = text.replace(f"{{{name}}}", f"\0{name}\0")
    for name in NAMES:
        text = text.replace(f"\0{name}\0", values[name])
    return text


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves | st.none() | st.integers() | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=5,
    ).filter(lambda tree: isinstance(tree, (dict, list)))


def filled_tree(tree: Any, values: dict[str, str]) -> Any:
    match tree:
        case str():
            return filled(tree, values)
        case dict():
            return {name: filled_tree(one, values) for name, one in tree.items()}
        case list():
            return [filled_tree(one, values) for one in tree]
    return tree


def body(text: str) -> Template:
    return body_template(text, None)[0]


@given(tree=trees(TEXTS), values=VALUES)
def test_json_is_read_as_it_was_meant(tree: Any, values: dict[str, str]) -> None:
    assert json.loads(body(json.dumps(tree)).filled(values)) == filled_tree(tree, values)


@given(texts=st.lists(TEXTS, min_size=1, max_size=4), values=VALUES)
def test_a_form_is_read_as_it_was_meant(texts: list[str], values: dict[str, str]) -> None:
    template = "&".join(f"f{number}={quote_plus(text)}" for number, text in enumerate(texts))
    fields = parse_qsl(body(template).filled(values), keep_blank_values=True, errors="strict")
    assert fields == [(f"f{number}", filled(text, values)) for number, text in enumerate(texts)]


@given(tree=trees(TEXTS), values=VALUES, written=st.sampled_from([quote_plus, quote]))
def test_json_in_a_form_keeps_its_meaning(tree: Any, values: dict[str, str], written: Any) -> None:
    template = f"by=id&order={written(json.dumps(tree))}&last={{reason}}"
    fields = parse_qs(body(template).filled(values), keep_blank_values=True, strict_parsing=True)
    assert json.loads(fields["order"][0]) == filled_tree(tree, values)
    assert (fields["by"], fields["last"], len(fields)) == (["id"], [values["reason"]], 3)


@given(tree=trees(TEXTS), values=VALUES)
def test_nested_json_in_a_form_keeps_its_meaning(tree: Any, values: dict[str, str]) -> None:
    template = "data=" + quote_plus(json.dumps({"inner": json.dumps(tree), "why": "{reason}"}))
    outer = json.loads(parse_qs(body(template).filled(values), strict_parsing=True)["data"][0])
    assert json.loads(outer["inner"]) == filled_tree(tree, values)
    assert outer["why"] == values["reason"]


@given(tree=trees(TEXTS), values=VALUES)
def test_an_address_is_read_as_it_was_meant(tree: Any, values: dict[str, str]) -> None:
    template = f"https://shop/o/{{order_id}}/x?a=%20&f={quote(json.dumps(tree))}&r={{reason}}"
    parts = urlsplit(url_template(template).filled(values))
    before, number, after = parts.path.rpartition("/")[0], parts.path.split("/")[2], parts.path.rpartition("/")[2]
    assert (before.count("/"), after) == (2, "x")
    assert unquote(number) == (values["order_id"] if values["order_id"].strip(".") else "")
    fields = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    assert (json.loads(fields["f"][0]), fields["r"]) == (filled_tree(tree, values), [values["reason"]])


@given(values=VALUES)
def test_odata_literal_keeps_its_meaning(values: dict[str, str]) -> None:
    template = "https://1c/Document(guid'{shop_id}')?$filter=Number eq '{order_id}'"
    parts = urlsplit(url_template(template).filled(values))
    in_path = unquote(parts.path).removeprefix("/Document(guid'").removesuffix("')")
    in_query = parse_qs(parts.query, strict_parsing=True)["$filter"][0].removeprefix("Number eq '").removesuffix("'")
    for literal, value in ((in_path, values["shop_id"]), (in_query, values["order_id"])):
        assert "'" not in literal.replace("''", "")
        assert literal.replace("''", "'") == (value if value.strip(".") or literal is in_query else "")


@given(values=VALUES)
def test_url_in_json_keeps_its_meaning(values: dict[str, str]) -> None:
    address = json.loads(body('{"back": "https://shop/{uuid}?o={order_id}"}').filled(values))["back"]
    assert parse_qs(urlsplit(address).query, strict_parsing=True) == {"o": [values["order_id"]]}


@given(values=VALUES)
def test_a_header_holds_nothing_that_ends_it(values: dict[str, str]) -> None:
    text = header_template('order="{order_id}"; why={reason}').filled(values)
    assert text.isascii()
    assert text.isprintable()
    number, why = text.split("; ")
    assert unquote(number) == f'order="{values["order_id"]}"'
    assert unquote(why) == f"why={values['reason']}"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ('{"n": "{oder_id}"}', r"holds \{oder_id\}, which nothing fills in; did you mean \{order_id\}\?"),
        ('{"n": {order_id}}', "is not JSON; placeholders stand within quotes"),
        ("{order_id}", "is neither JSON nor a form"),
        ('o={"n": {order_id}}', "holds JSON that cannot be read; placeholders stand within quotes"),
        ('o={"n": "{order_id}", "x"}', "holds JSON that cannot be read"),
        ("o=<n>{order_id}</n>", "holds XML or HTML"),
        ('{"o": "n={order_id}&x=1"}', "holds a form within a text"),
        ("o=n%3D{order_id}", "holds a form within a text"),
        ("o=%257B{order_id}", "with %XX in it"),
        ('o="{order_id}"', "between quotes in a text that is not JSON"),
        ('{"query": "mutation { cancel(id: \\"{order_id}\\") }"}', "between quotes in a text that is not JSON"),
        ('{"n": "{order-id}"}', r"holds \{order-id\}, which nothing fills in; did you mean \{order_id\}\?"),
        ('{"n": "no {}"}', "which nothing fills in"),
        ('{"n": "{ORDER_ID}"}', r"did you mean \{order_id\}\?"),
        ('{"n": "{ order_id }"}', r"did you mean \{order_id\}\?"),
        ("n={order_id!r}", r"holds \{order_id!r\}, which nothing fills in"),
        ('o={"n": "{{order_id}}"}', r"holds \{\{order_id\}\}, which nothing fills in"),
    ],
)
def test_body_of_unclear_syntax_is_refused(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        body(template)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("https://shop/{order}", "did you mean"),
        ("https://shop/{order-id}", r"did you mean \{order_id\}"),
        ("https://shop/{}/{order_id}", "which nothing fills in"),
        ("https://shop/{{order_id}}", "which nothing fills in"),
        ("https://shop/?n={order_id!r}", "which nothing fills in"),
        ("https://shop/?n={ORDER_ID}", r"did you mean \{order_id\}"),
        ("https://shop/o#{order_id}", "behind a #"),
        ('https://shop/{"n":"{order_id}"}', "in a path with quotes or braces"),
        ('https://shop/?f="{order_id}"', "between quotes"),
    ],
)
def test_url_of_unclear_syntax_is_refused(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        url_template(template)


@pytest.mark.parametrize(
    "text",
    ["UPDATE o SET x=1 WHERE id={order_id}", "mutation{cancel(id: {order_id}) }", "cancel {uuid} where x = 1"],
)
def test_a_place_in_another_language_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"may be another language|holds a form within a text|which nothing fills in"):
        body(json.dumps({"query": text}))
    with pytest.raises(ValueError, match=r"may be another language|holds a form within a text|which nothing fills in"):
        url_template("https://shop/?q=" + quote(text))


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("?ids=1,{order_id}", "2,3"),
        ("?q=id:{order_id} AND state:new", "1 OR 2"),
        ("?q=id:{order_id} AND state:new", "a:7"),
        ("?q=id:{order_id}", "*"),
        ("?f=Number eq {order_id}", "Number"),
        ("?path=/orders/{order_id}/cancel", "7/../8"),
    ],
)
def test_value_beside_other_text_must_be_one_word(template: str, value: str) -> None:
    """The word must have a digit; any other value is refused."""
    for made in (url_template(f"https://shop/{template}"), body(template.removeprefix("?"))):
        with pytest.raises(ValueError, match=r"\{order_id\} stands beside other text"):
            made.filled({"order_id": value})


@pytest.mark.parametrize("value", ["7", "A-17", "ОРТЕ-000123", "2024/17", "#5", "cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195"])
def test_numbers_and_keys_may_stand_beside_other_text(value: str) -> None:
    made = body('{"note": "Order {order_id}: {reason}", "ids": "1,{order_id}"}').filled(
        {"order_id": value, "reason": 'a=b {"c"} OR 1'}
    )
    assert json.loads(made) == {"note": f'Order {value}: a=b {{"c"}} OR 1', "ids": f"1,{value}"}


@pytest.mark.parametrize("text", ["{order-id}", "{}", "{order_id!r}", "{ORDER_ID}"])
def test_unknown_braces_in_a_header_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="which nothing fills in"):
        header_template(text)


def test_braces_of_json_and_graphql_stay_unchanged() -> None:
    for text in (
        '{"a": {"b": "{order_id}", "c": {}}}',
        'o={"a":{},"b":["{order_id}"]}&c={"d":{}}',
        '{"query": "mutation($id: ID!) { cancel(id: $id) { id } }", "variables": {"id": "{order_id}"}}',
    ):
        assert body(text).placeholders == {"order_id"}
    assert url_template('https://shop/?f={"a":{},"b":"{uuid}"}').placeholders == {"uuid"}


def test_what_holds_no_place_stays_as_it_is() -> None:
    assert body('{ "a" : 1.10, "a": "%7B&<" }').filled({}) == '{ "a" : 1.10, "a": "%7B&<" }'
    assert url_template("https://shop/Документ?$format=json&x=a+b").filled({}).endswith("?$format=json&x=a+b")


def test_the_content_type_is_that_of_the_body() -> None:
    assert body_template("{}", None)[1] == "application/json; charset=utf-8"
    assert body_template("a=b", None)[1] == "application/x-www-form-urlencoded"
    assert body_template("{}", "application/vnd.api+json")[1] == "application/vnd.api+json"
    with pytest.raises(ValueError, match="says neither"):
        body_template("<a/>", "text/xml")
