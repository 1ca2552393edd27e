"""Sparkplug B payloads: the parts of the format that carry readings, as protobuf messages.

The schema is built here when first used, so that nothing is compiled at install. What is left
out (data sets, templates, nested properties) stays unread bytes: cheap, whatever it holds.
"""

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

__all__ = ["BOOLEAN", "MOST", "encode", "payload_type", "value_of"]

MOST: Final = 10_000  # metrics in a message
SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}  # Int8 .. Int64: bits
UNSIGNED: Final = {5: 8, 6: 16, 7: 32, 8: 64}
FLOAT, DOUBLE, BOOLEAN, DATETIME = 9, 10, 11, 13
FIELDS: Final = {
    "Payload": "timestamp=1:uint64 metrics=2:*Metric seq=3:uint64",
    "Metric": (
        "name=1:string alias=2:uint64 timestamp=3:uint64 datatype=4:uint32 is_historical=5:bool "
        "is_transient=6:bool is_null=7:bool properties=9:PropertySet int_value=10:uint32 "
        "long_value=11:uint64 float_value=12:float double_value=13:double boolean_value=14:bool "
        "string_value=15:string bytes_value=16:bytes"
    ),
    "PropertySet": "keys=1:*string values=2:*PropertyValue",
    "PropertyValue": (
        "type=1:uint32 is_null=2:bool int_value=3:uint32 long_value=4:uint64 float_value=5:float "
        "double_value=6:double boolean_value=7:bool string_value=8:string"
    ),
}


@cache
def payload_type() -> Any:
    """The message class of a payload."""
    from google.protobuf import (  # type: ignore[import-untyped]
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="songsinh_sparkplug_b.proto", package="songsinh.sparkplug", syntax="proto2"
    )
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            field, _, rest = text.partition("=")
            number, _, kind = rest.partition(":")
            many, kind = kind.startswith("*"), kind.lstrip("*")
            made = message.field.add(name=field, number=int(number))
            made.label = kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
            if kind in FIELDS:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".songsinh.sparkplug.{kind}"
            else:
                made.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("songsinh.sparkplug.Payload")
    return message_factory.GetMessageClass(found)


def value_of(metric: Any, datatype: int) -> Any:
    """The value of a metric: a number, a bool, a text, or None when it is null or not read."""
    if metric.is_null:
        return None
    for name in ("float_value", "double_value", "boolean_value", "string_value"):
        if metric.HasField(name):
            return getattr(metric, name)
    for name in ("int_value", "long_value"):
        if metric.HasField(name):
            return _whole(getattr(metric, name), datatype)
    return None


def _whole(bits: int, datatype: int) -> Any:
    """Signed numbers come as the bits of unsigned ones, and so do some floats and bools."""
    if datatype in SIGNED:
        size = SIGNED[datatype]
        bits &= (1 << size) - 1
        return bits - (1 << size) if bits >> (size - 1) else bits
    if datatype == FLOAT:
        return struct.unpack("<f", struct.pack("<I", bits & 0xFFFFFFFF))[0]
    if datatype == DOUBLE:
        return struct.unpack("<d", struct.pack("<Q", bits))[0]
    return bool(bits) if datatype == BOOLEAN else bits


def encode(metrics: Sequence[dict[str, Any]], **fields: Any) -> bytes:
    """A payload of metrics given by their fields."""
    payload = payload_type()(**fields)
    for metric in metrics:
        payload.metrics.add(**metric)
    return bytes(payload.SerializeToString())
