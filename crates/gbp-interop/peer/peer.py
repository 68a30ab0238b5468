"""The published gbp-stack package behind lines of JSON on standard input and output.

A line names a call: {"of": class or object, "call": method, "args": [...]}. Bytes are {"hex": text}, objects {"ref": number},
integers beyond 2^53 {"int": text}. The answer is {"value": ...} or {"error": text}. A line of nothing but a property's
name in "get" reads it.
"""

import dataclasses
import enum
import json
import sys

import gbp_stack

SAFE = 2**53
objects = []


def decode(value):
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        if "hex" in value:
            return bytes.fromhex(value["hex"])
        if "int" in value:
            return int(value["int"])
        return objects[value["ref"]]
    return value


def encode(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, enum.Enum):
        return encode(value.value)
    if isinstance(value, int):
        return value if abs(value) < SAFE else {"int": str(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"hex": bytes(value).hex()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: encode(getattr(value, field.name)) for field in fields}
    objects.append(value)
    return {"ref": len(objects) - 1}


def answer(line):
    order = json.loads(line)
    of = order.get("of")
    target = gbp_stack if of is None else getattr(gbp_stack, of) if isinstance(of, str) else decode(of)
    if "get" in order:
        return encode(getattr(target, order["get"]))
    return encode(getattr(target, order["call"])(*decode(order.get("args", []))))


for line in sys.stdin:
    try:
        reply = {"value": answer(line)}
    except Exception as error:  # Whatever the package raises is its answer.
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
