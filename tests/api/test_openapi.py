"""The OpenAPI description that the web app's types are made from."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

import httpx

from api.app import openapi_description
from api.patterns import in_words


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


def test_it_is_made_without_a_warning_and_every_reference_leads_somewhere() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        description = openapi_description()
    schemas = description["components"]["schemas"]
    for reference in references(description):
        assert reference.rpartition("/")[2] in schemas, reference


def patterns(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["pattern"]} if isinstance(node.get("pattern"), str) and node.get("type") == "string" else set()
        return own.union(*(patterns(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(patterns(value) for value in node))
    return set()


def test_every_pattern_of_a_body_has_words_for_those_who_break_it() -> None:
    # What breaks the pattern of a path is simply not found.
    found = patterns(openapi_description()["components"]["schemas"])
    assert found
    assert not [pattern for pattern in found if in_words(pattern) is None]


def test_no_two_things_share_a_name() -> None:
    # Where they do, pydantic tells them apart by the modules they are in.
    assert not [name for name in openapi_description()["components"]["schemas"] if "__" in name]


def test_operations_are_named_once_and_tell_their_errors() -> None:
    names = []
    for path, operations in openapi_description()["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            assert re.fullmatch("[a-z_]+", operation["operationId"])
            assert operation["summary"]
            assert operation["description"], f"{method} {path}"
            assert operation["tags"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert "422" not in operation["responses"]
    assert len(names) == len(set(names))


def test_every_answer_has_a_type() -> None:
    for path, operations in openapi_description()["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if status in {"204", "default", "206", "304", "416"}:
                    continue
                for kind, content in answer["content"].items():
                    assert content["schema"], f"{method} {path} {status} {kind}"


async def test_the_server_shows_it_to_those_who_are_signed_in_or_not(anyone: httpx.AsyncClient) -> None:
    shown = await anyone.get("/api/v1/openapi.json")
    assert shown.status_code == 200
    assert shown.json() == json.loads(json.dumps(openapi_description()))
