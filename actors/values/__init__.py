"""Users' values: arguments, results, fields, signals. Python on one side, JSON on the other, and nothing that does not fit between.

What comes back equals what went in, types included, or it is refused where it goes in: with the class where the type alone decides
(:class:`DefinitionError`), else with the path to what does not fit (:class:`ValueProblem`). What a handler is given has been
through JSON once, in the first run as in every replay, so that both see the same.

``kinds`` is the list of types that are taken, ``shape`` explains how they are written and read.
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
