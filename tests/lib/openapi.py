"""The OpenAPI document, as a judge of replies."""

import re

import httpx
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT_URI = "urn:openapi"
METHODS = ("get", "post", "put", "patch", "delete")


class Contract:
    def __init__(self, document: dict):
        self.document = document
        resource = Resource(contents=document, specification=DRAFT202012)
        self.registry = Registry().with_resource(ROOT_URI, resource)

    def operations(self) -> list[tuple[str, str, dict]]:
        """(METHOD, template, operation) of each."""
        return [
            (method.upper(), template, item[method])
            for template, item in self.document["paths"].items()
            for method in METHODS
            if method in item
        ]

    def operation(self, method: str, path: str) -> dict:
        """The operation that answers a request; its path, not its template."""
        for verb, template, operation in self.operations():
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
            if verb == method and re.fullmatch(pattern, path):
                return operation
        raise AssertionError(f"OpenAPI has no {method} {path}")

    def resolve(self, thing: dict) -> dict:
        """The thing, or what its $ref names."""
        while "$ref" in thing:
            found = self.document
            for part in thing["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            thing = found
        return thing

    def response(self, operation: dict, status: int) -> dict:
        """What is declared for a status: exact, 4XX, or default."""
        declared = operation["responses"]
        for name in (str(status), f"{status // 100}XX", "default"):
            if name in declared:
                return self.resolve(declared[name])
        raise AssertionError(f"{operation['operationId']} declares no {status}")

    def check(self, reply: httpx.Response) -> None:
        """The reply is one that the document declares, body and all."""
        path = reply.request.url.raw_path.decode().partition("?")[0]
        operation = self.operation(reply.request.method, path)
        declared = self.response(operation, reply.status_code)
        if not declared.get("content"):
            assert reply.content == b"", f"{operation['operationId']}: an undeclared body"
            return
        kind = reply.headers["content-type"].split(";")[0]
        content = declared["content"]
        assert kind in content or "*/*" in content, f"{kind} is not declared: {content}"
        schema = content.get(kind, content.get("*/*")).get("schema")
        if schema and kind.endswith("json"):
            self.validate(schema, reply.json())

    def validate(self, schema: dict, value) -> None:
        pointed = {"$ref": ROOT_URI + schema["$ref"]} if "$ref" in schema else self.absolute(schema)
        Draft202012Validator(
            pointed, registry=self.registry, format_checker=FormatChecker()
        ).validate(value)

    def absolute(self, schema):
        """The schema with references that hold outside the document."""
        if isinstance(schema, dict):
            return {k: ROOT_URI + v if k == "$ref" else self.absolute(v) for k, v in schema.items()}
        if isinstance(schema, list):
            return [self.absolute(v) for v in schema]
        return schema
