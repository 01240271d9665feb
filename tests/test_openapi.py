"""The description at /api/openapi.json: valid, complete, and honest about who is let in."""

import re
import time
from collections import Counter

import jsonschema_rs
import pytest
from django.test import Client
from ninja import Schema
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

# Whoever has no account may ask these; everything else needs a token.
PUBLIC_OPERATIONS = {
    "POST /api/auth/signup",
    "POST /api/auth/signin",
    "POST /api/auth/refresh",  # the refresh token in the body is the proof
    "POST /api/auth/signout",
}
# These take visitors where the installation says so, and a token always.
OPEN_TO_VISITORS = {"GET /api/knowledge/", "GET /api/knowledge/{article_id}"}


@pytest.fixture(scope="module")
def description():
    return Client().get("/api/openapi.json").json()


def operations(description):
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def bodies(operation):
    """(what it is, schema) of the request's body and of each answer that is no error."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        yield "body", media["schema"]
    for status, answer in operation["responses"].items():
        for media in answer.get("content", {}).values():
            yield status, media["schema"]


def named(schema):
    """The name of the schema that is meant, also beside null or a default."""
    for each in (schema, *schema.get("anyOf", []), *schema.get("allOf", [])):
        if "$ref" in each:
            return each["$ref"].rpartition("/")[-1]
    return None


def validator(description, schema):
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": description["components"]}, validate_formats=True
    )


def test_the_description_is_openapi_3_1(description):
    assert description["openapi"].startswith("3.1.")
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(description)] == []


def test_a_description_that_is_wrong_is_noticed(description):
    """OpenAPI's own schema says little about schemas: those are held against JSON Schema below."""
    broken = {**description, "paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    assert list(OPENAPI_31_VALIDATOR.iter_errors(broken))
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.meta.validate({"type": "text"})


def every_schema(description):
    for name, schema in description["components"]["schemas"].items():
        yield name, schema
    for asked, operation in operations(description):
        for parameter in operation.get("parameters", []):
            yield f"{asked} {parameter['name']}", parameter["schema"]
        for what, schema in bodies(operation):
            yield f"{asked} {what}", schema


def test_every_schema_is_json_schema(description):
    for name, schema in every_schema(description):
        dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        assert jsonschema_rs.meta.is_valid(dialect), name


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = value.values()
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        for each in value:
            yield from references(each)


def test_every_reference_leads_somewhere(description):
    known = {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}
    assert set(references(description)) <= known


def test_every_operation_says_what_it_does(description):
    wrong, ids, tags = [], Counter(), {tag["name"] for tag in description["tags"]}
    for asked, operation in operations(description):
        ids[operation.get("operationId")] += 1
        summary, words = operation.get("summary", ""), operation.get("description", "").strip()
        if not summary or summary.endswith(".") or not summary[0].isupper():
            wrong.append(f"{asked}: summary {summary!r}")
        if len(words.split()) < 4 or not re.search(r"[.:!]", words):
            wrong.append(f"{asked}: description {words!r}")
        if len(operation["tags"]) != 1 or operation["tags"][0] not in tags:
            wrong.append(f"{asked}: tags {operation['tags']}")
    assert wrong == []
    assert [name for name, times in ids.items() if times > 1 or not name] == []


def test_every_tag_says_what_it_holds(description):
    used = {operation["tags"][0] for _asked, operation in operations(description)}
    assert {tag["name"] for tag in description["tags"] if tag.get("description")} >= used


def test_every_operation_names_its_errors(description):
    wrong = []
    for asked, operation in operations(description):
        answers = operation["responses"]
        expected = {"429", "503"}
        if operation.get("security"):
            expected |= {"401", "403"}
        if "{" in asked:
            expected |= {"404", "422"}
        if "requestBody" in operation:
            expected |= {"422"}
        if missing := expected - set(answers):
            wrong.append(f"{asked}: {sorted(missing)}")
        for status, answer in answers.items():
            if status >= "400" and not answer["content"]["application/json"].get("examples"):
                wrong.append(f"{asked}: {status} has no example")
            if status >= "400" and status != "422" and ": `" not in answer["description"]:
                wrong.append(f"{asked}: {status} names no code")
    assert wrong == []


def test_every_error_is_of_the_one_shape(description):
    wrong = []
    for asked, operation in operations(description):
        for status, answer in operation["responses"].items():
            if status < "400":
                continue
            media = answer["content"]["application/json"]
            check = validator(description, media["schema"])
            for code, example in media["examples"].items():
                value = example["value"]
                if not check.is_valid(value) or not {"detail", "code", "field"} <= set(value):
                    wrong.append(f"{asked} {status} {code}")
    assert wrong == []


def test_every_body_and_answer_has_an_example_that_fits(description):
    wrong = []
    for asked, operation in operations(description):
        for what, schema in bodies(operation):
            if what >= "400" and what != "body":
                continue
            name = named(schema)
            if name is None:
                wrong.append(f"{asked} {what}: {schema} has no name, and so no example")
                continue
            examples = description["components"]["schemas"][name].get("examples")
            if not examples:
                wrong.append(f"{asked} {what}: {name} has no example")
                continue
            errors = [error for each in examples for error in validator(description, schema).iter_errors(each)]
            wrong += [f"{asked} {what}: {name}: {error.message}" for error in errors]
    assert wrong == []


def test_an_example_shows_every_field_of_an_answer(description):
    wrong = []
    for asked, operation in operations(description):
        for what, schema in bodies(operation):
            name = named(schema)
            if what == "body" or what >= "400" or name is None:
                continue
            described = description["components"]["schemas"][name]
            unshown = [set(described["properties"]) - set(each) for each in described.get("examples", [])]
            wrong += [f"{asked} {what}: {name} shows no {sorted(missing)}" for missing in unshown if missing]
    assert wrong == []


def test_every_operation_asks_for_a_token_but_those_of_the_list(description):
    open_to_all = {asked for asked, operation in operations(description) if not operation.get("security")}
    assert open_to_all - OPEN_TO_VISITORS == PUBLIC_OPERATIONS


@pytest.mark.django_db
def test_every_operation_really_turns_away_who_has_no_token(description, settings):
    settings.KNOWLEDGE_IS_PUBLIC = False
    settings.API_REQUESTS_PER_MINUTE_UNKNOWN = 10_000
    let_in = []
    for asked, _operation in operations(description):
        method, path = asked.split()
        if asked in PUBLIC_OPERATIONS:
            continue
        response = Client().generic(method, re.sub(r"\{[^}]*\}", "1", path), "{}", "application/json")
        if response.status_code != 401:
            let_in.append(f"{asked}: {response.status_code}")
    assert let_in == []


def test_the_description_is_made_once_and_served_quickly():
    client = Client()
    first = client.get("/api/openapi.json")
    began = time.perf_counter()
    again = [client.get("/api/openapi.json") for _ in range(20)]
    assert (time.perf_counter() - began) / 20 < 0.1
    assert {answer.content for answer in again} == {first.content}
    unchanged = client.get("/api/openapi.json", headers={"if-none-match": first["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_a_description_is_the_same_for_everybody_and_names_no_host(description):
    assert Client(headers={"host": "127.0.0.1"}).get("/api/openapi.json").json() == description
    assert description["servers"] == []


def shapes_below(schema):
    for each in schema.__subclasses__():
        yield each
        yield from shapes_below(each)


def test_no_two_schemas_share_a_name():
    """Of two with one name, the description would show one in both places."""
    ours = {each for each in shapes_below(Schema) if ".api" in each.__module__ and "[" not in each.__name__}
    names = Counter(each.__name__ for each in ours)
    assert [name for name, times in names.items() if times > 1] == []
