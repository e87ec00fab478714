"""The OpenAPI 3.1 document, generated from the table of routes, the models, and the served classes."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs
import msgspec

from actors.http.call_requests import CallQuery, SendQuery
from actors.http.messages import FORM, HTML, JSON, HttpResponse
from actors.http.models import PROBLEM_TYPE, Problem, SentModel
from actors.http.routes import JsonBody, Route, TokenScope
from actors.http.server.event_streams import EVENT_STREAM
from actors.http.server.request_context import Exchange
from actors.values.webhook_schemes import WebhookScheme
from journal.events import Kind
from journal.ids import ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.model.service_info import HandlerInfo, ServiceInfo

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
_PATTERNS = {
    "id": ID_PATTERN,
    "limit": "^(everything|service:[^/]+|handler:[^/]+/.+|key:[^/]+(/.+)?|tag:[^=]+(=.+)?)$",
    "scope": "^(everything|backlog|service:[^/]+|(handler|key):[^/]+/.+|deployment:.+)$",
}


async def openapi(exchange: Exchange) -> HttpResponse:
    """Show this document."""
    document = make_document(exchange.routes, await exchange.client.services())
    if exchange.request.root_path:
        document["servers"] = [{"url": quote(exchange.request.root_path)}]
    return HttpResponse(msgspec.json.encode(document), media_type=JSON)


def make_document(routes: Iterable[Route], services: Sequence[ServiceInfo]) -> Schema:
    """Make the document for these routes and the handlers of these classes."""
    documented = [route for route in routes if route.is_documented]
    models = _models(documented)
    schemas, components = msgspec.json.schema_components(models, ref_template=_REF)
    known = dict(zip(models, schemas, strict=True))
    for route in documented:
        for model in (route.query, route.body):
            if isinstance(model, type) and attrs.has(model):
                components[_name_in(known[model])]["additionalProperties"] = False  # unknown fields are refused
    paths: dict[str, Schema] = {}
    for route in documented:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, known, components)
    for service in services:
        for handler in service.handlers:
            operations = [*_webhook(service, handler, known)]
            if not handler.private:
                operations += _handler_operations(service, handler, known, components)
            paths |= {path: {"post": operation} for path, operation in operations}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "playhead",
            "version": "1",
            "description": "Call durable objects and control invocations. Errors are problem details (RFC 9457).",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    plain: Schema = msgspec.json.decode(
        msgspec.json.encode(document)
    )  # a default may be a value that JSON writes differently
    return plain


# Routes.


def _models(routes: Iterable[Route]) -> list[Any]:
    found: dict[Any, None] = {Problem: None, SentModel: None, CallQuery: None, SendQuery: None}
    for route in routes:
        found.update(dict.fromkeys(kind for kind in (route.query, route.body, _answered(route)) if _is_model(kind)))
    return list(found)


def _is_model(kind: Any) -> bool:
    return kind is not None and kind is not JsonBody


def _answered(route: Route) -> Any:
    """Return the model of the response, or None if the response is a value of the handler."""
    kinds = [kind for kind in typing.get_args(route.answer) or (route.answer,) if kind is not HttpResponse]
    return kinds[0] if kinds else None


def _operation(route: Route, known: dict[Any, Schema], components: dict[str, Schema]) -> Schema:
    operation: Schema = {
        "operationId": _name_of(route),
        "summary": route.summary,
        "parameters": [_path_parameter(name) for name in route.parameters],
        "responses": {str(route.status): _success(route, known), "default": _failure(known)},
    }
    if route.has_page:
        for response in operation["responses"].values():
            response["content"][HTML] = {"schema": {"type": "string"}}
    if route.query is not None:
        operation["parameters"] += _query_parameters(known[route.query], components)
    if route.repeatable:
        operation["parameters"].append(
            _idempotency_key("Repeating the request with the same key returns the first response.")
        )
    if route.body is not None:
        schema = {} if route.body is JsonBody else known[route.body]
        content = {kind: {"schema": schema} for kind in ((JSON, FORM) if route.accepts_form else (JSON,))}
        operation["requestBody"] = {"content": content, "required": _must_be_there(route.body)}
    return _guarded(operation, route.scope)


def _must_be_there(model: Any) -> bool:
    if model is JsonBody:
        return False
    try:
        msgspec.convert({}, model)
    except msgspec.ValidationError:
        return True
    return False


def _name_of(route: Route) -> str:
    """Return the operation name of a route that also exists under a path of Restate."""
    words = [segment.strip("{}") for segment in route.segments]
    return "_".join(words) if words[0] == "restate" else route.name


def _guarded(operation: Schema, scope: TokenScope | None) -> Schema:
    if scope is None:
        return operation | {"security": []}
    return operation | {"description": f"Needs the scope `{scope.value}`."}


def _success(route: Route, known: dict[Any, Schema]) -> Schema:
    model = _answered(route)
    content: Schema = {}
    if model is not None:
        content[JSON] = {"schema": known[model]}
    elif not route.streams:
        content[JSON] = {"schema": {}}
    if route.streams:
        content[EVENT_STREAM] = {"schema": _STREAMED}
    return {"description": route.summary, "content": content}


_STREAMED: Schema = {
    "type": "object",
    "description": "One event of the stream: its position (for Last-Event-ID) and its data as JSON.",
    "properties": {"id": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}


def _failure(known: dict[Any, Schema]) -> Schema:
    return {"description": "The problem, and how to solve it.", "content": {PROBLEM_TYPE: {"schema": known[Problem]}}}


def _path_parameter(name: str) -> Schema:
    schema: Schema = {"type": "string", "minLength": 1}
    if name in _PATTERNS:
        schema["pattern"] = _PATTERNS[name]
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _name_in(reference: Schema) -> str:
    name: str = reference["$ref"].rpartition("/")[2]
    return name


def _idempotency_key(description: str) -> Schema:
    return {
        "name": "idempotency-key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 256},
        "description": description,
    }


def _query_parameters(model: Schema, components: dict[str, Schema]) -> list[Schema]:
    properties = components[_name_in(model)]["properties"]
    return [
        {"name": name, "in": "query", "schema": schema} | _description_in(schema) for name, schema in properties.items()
    ]


def _description_in(schema: Schema) -> Schema:
    """Return the description of a parameter, which msgspec writes into its schema, or into a part of it."""
    parts = [schema, *schema.get("anyOf", ()), schema.get("items", {})]
    return next(({"description": part["description"]} for part in parts if "description" in part), {})


# Handlers.


def _handler_operations(
    service: ServiceInfo, handler: HandlerInfo, known: dict[Any, Schema], components: dict[str, Schema]
) -> Iterable[tuple[str, Schema]]:
    is_keyed = service.kind is not Kind.SERVICE
    path = f"/{service.name}/{{key}}/{handler.name}" if is_keyed else f"/{service.name}/{handler.name}"
    key = [{"name": "key", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]
    idempotency = _idempotency_key("Repeating the request with the same key returns the same invocation.")
    name = f"{service.name}.{handler.name}"
    common: Schema = {"tags": [service.name]}
    parameters = [*(key if is_keyed else []), idempotency]
    body = _argument(name, handler, components)
    if body is not None:
        common["requestBody"] = body
    result = _hoisted(handler.result or {}, f"{name}.result", components)
    succeeded = {"description": "Its result.", "content": {JSON: {"schema": result}}}
    yield (
        path,
        _guarded(
            common
            | {
                "operationId": name,
                "summary": handler.doc or f"Call {name}.",
                "parameters": [*parameters, *_query_parameters(known[CallQuery], components)],
                "responses": {"200": succeeded, "default": _failure(known)},
            },
            TokenScope.INVOKE,
        ),
    )
    sent = {"description": "The message is accepted and durable.", "content": {JSON: {"schema": known[SentModel]}}}
    yield (
        f"{path}/send",
        _guarded(
            common
            | {
                "operationId": f"{name}.send",
                "summary": f"Send a one-way message to {name}.",
                "parameters": [*parameters, *_query_parameters(known[SendQuery], components)],
                "responses": {"202": sent, "default": _failure(known)},
            },
            TokenScope.INVOKE,
        ),
    )


def _webhook(service: ServiceInfo, handler: HandlerInfo, known: dict[Any, Schema]) -> Iterable[tuple[str, Schema]]:
    """Yield the path and the operation for the webhooks of a handler, if it accepts webhooks. OpenAPI has no security scheme for the
    signature, so the description of the operation names the scheme."""
    if not handler.webhook:
        return
    is_keyed = service.kind is not Kind.SERVICE
    key = [{"name": "key", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]
    taken = {"description": "The webhook is accepted and durable.", "content": {JSON: {"schema": known[SentModel]}}}
    yield (
        f"/webhooks/{service.name}/{{key}}/{handler.name}" if is_keyed else f"/webhooks/{service.name}/{handler.name}",
        {
            "operationId": f"{service.name}.{handler.name}.webhook",
            "summary": handler.doc or f"Take a webhook for {service.name}.{handler.name}.",
            "description": f"Needs a signature of the scheme `{handler.webhook}`.",
            "tags": [service.name],
            "security": [],
            "parameters": key if is_keyed else [],
            "requestBody": {"content": {"*/*": {"schema": {}}}, "required": False},
            "responses": {**_challenged(handler), "202": taken, "default": _failure(known)},
        },
    )


def _challenged(handler: HandlerInfo) -> Schema:
    """Return the response to a sender that verifies the URL."""
    if handler.webhook != WebhookScheme.SLACK:
        return {}
    schema = {"type": "object", "properties": {"challenge": {"type": "string"}}, "required": ["challenge"]}
    return {"200": {"description": "The challenge of `url_verification`.", "content": {JSON: {"schema": schema}}}}


def _argument(name: str, handler: HandlerInfo, components: dict[str, Schema]) -> Schema | None:
    """Return the schema of a handler's argument as :class:`actors.values.Signature` takes it: one value for one
    parameter, an object for several, nothing for none.
    """
    schemas = {
        parameter: _hoisted(_closed(schema or {}), f"{name}.{parameter}", components)
        for parameter, schema in handler.parameters.items()
    }
    if not schemas:
        return None
    named: Schema = {
        "type": "object",
        "properties": schemas,
        "required": list(handler.required or schemas) if len(schemas) == 1 else list(handler.required),
        "additionalProperties": False,
    }
    first = schemas[next(iter(handler.required or schemas))]
    schema = named
    if len(schemas) == 1:
        schema = {"anyOf": [first, named]}
    elif len(handler.required) <= 1:
        schema = {"anyOf": [named, {"allOf": [{"not": {"type": "object"}}, first]}]}
    return {"content": {JSON: {"schema": schema}}, "required": bool(handler.required)}


def _closed(part: Any) -> Any:
    """Return the schema of a request, in which objects allow no undeclared fields."""
    match part:
        case {"properties": _} if "additionalProperties" not in part:
            return {"additionalProperties": False} | {key: _closed(value) for key, value in part.items()}
        case dict():
            return {key: _closed(value) for key, value in part.items()}
        case list():
            return [_closed(item) for item in part]
        case _:
            return part


def _hoisted(schema: Schema, name: str, components: dict[str, Schema]) -> Schema:
    """Move the definitions of a self-contained schema to the document's components, and return the rest."""
    if "$defs" not in schema:
        return schema
    for defined, definition in schema["$defs"].items():
        components[f"{name}.{defined}"] = _renamed(definition, name)
    renamed: Schema = _renamed({key: value for key, value in schema.items() if key != "$defs"}, name)
    return renamed


def _renamed(part: Any, name: str) -> Any:
    match part:
        case str():
            return part.replace("#/$defs/", f"#/components/schemas/{name}.") if part.startswith("#/$defs/") else part
        case dict():
            return {key: _renamed(value, name) for key, value in part.items()}
        case list():
            return [_renamed(item, name) for item in part]
        case _:
            return part


ROUTES = (Route("GET", "/openapi.json", TokenScope.OBSERVE, openapi),)
