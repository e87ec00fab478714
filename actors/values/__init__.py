"""User values (arguments, results, fields, signals): Python on one side, JSON on the other.

A value that comes back equals the value that went in, types included, or it is refused when it goes in: with the class if the
type alone decides (:class:`DefinitionError`), else with the path to the part that does not fit (:class:`ValueProblem`). The
values that a handler receives have been through JSON once, in the first run as in every replay, so both see the same.

``kinds`` lists the accepted types; ``shape`` explains how they are written and read.
"""

from actors.values.codec import Codec, codec_for, decode_kept, says_the_same
from actors.values.converter import converter
from actors.values.document import MAX_DEPTH, parse
from actors.values.owntype import Written, check_restored, write_by_own_type
from actors.values.problem import ValueProblem
from actors.values.results import check_result, result_codec
from actors.values.signature import MissingParameters, Signature, UnknownParameter
from actors.values.untyped import encode_json

__all__ = [
    "MAX_DEPTH",
    "Codec",
    "MissingParameters",
    "Signature",
    "UnknownParameter",
    "ValueProblem",
    "Written",
    "check_restored",
    "check_result",
    "codec_for",
    "converter",
    "decode_kept",
    "encode_json",
    "parse",
    "result_codec",
    "says_the_same",
    "write_by_own_type",
]
