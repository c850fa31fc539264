"""What schemathesis can't know of the API: how stories stand in lines, and answers, too."""

import json
from typing import Any

import schemathesis

LINES = "application/x-ndjson"


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """OpenAPI 3.1 has no word for what stands in lines (3.2 has: itemSchema). It is said here, as arrays."""
    operation = raw_schema["paths"]["/api/articles"]["post"]
    for place, name in ((operation["requestBody"], "StoryLine"), (operation["responses"]["200"], "Answer")):
        items = {"$ref": f"#/components/schemas/{name}"}
        place["content"][LINES]["schema"] = {"type": "array", "items": items}


@schemathesis.serializer(LINES)
def to_lines(_context: Any, value: Any) -> bytes:
    stories = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(story).encode() + b"\n" for story in stories)


@schemathesis.deserializer(LINES)
def from_lines(_context: Any, response: Any) -> Any:
    return [json.loads(line) for line in response.content.decode().splitlines()]
