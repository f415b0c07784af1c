"""What one model's parser is told at compile time: the names of its tensors and its family's constants."""

from collections.abc import Mapping

from dsbench.family import Setting


def settings_header(tensors: Mapping[str, str], settings: Mapping[str, Setting]) -> str:
    """Return the text of parser_settings.hpp: `kLogitsTensor` for the role logits, `kTopK` for the setting top_k."""
    constants = [f"constexpr char {_name(role)}Tensor[] = {_string(name)};" for role, name in tensors.items()]
    constants += [_constant(name, value) for name, value in settings.items()]
    return "\n".join(
        [
            "// Written by the build from the model's ONNX and its family.",
            "#pragma once",
            "",
            "namespace parser_settings {",
            "",
            *constants,
            "",
            "}  // namespace parser_settings",
            "",
        ]
    )


def _name(words: str) -> str:
    return "k" + "".join(word.capitalize() for word in words.split("_"))


def _constant(name: str, value: Setting) -> str:
    if isinstance(value, bool):
        return f"constexpr bool {_name(name)} = {str(value).lower()};"
    if isinstance(value, int):
        return f"constexpr int {_name(name)} = {value};"
    if isinstance(value, float):
        return f"constexpr float {_name(name)} = {float(value).hex()}F;"
    return f"constexpr char {_name(name)}[] = {_string(value)};"


def _string(text: str) -> str:
    """Return a C++ string literal; names come from models, so every byte but the plain ones is escaped.

    An octal escape has at most three digits, so what follows it never belongs to it.
    """
    plain = set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./: ")
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'
