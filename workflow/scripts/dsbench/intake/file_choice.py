"""Which files of a source are taken: an allow-list, one kind of weights, the ONNX variants worth having."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from dsbench.core.errors import BuildError, without_controls

TEXT_SUFFIXES = (".json", ".txt", ".md")
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".dill")
ENGINE_SUFFIXES = (".engine", ".plan", ".trt")
REASONS = {
    **dict.fromkeys(
        PICKLE_SUFFIXES,
        "a file that may hold a Python pickle, which runs code when it is loaded, and is never opened;"
        " convert it to safetensors or ONNX",
    ),
    **dict.fromkeys(
        (".etlt", ".tlt"), "encrypted by TAO and only its tools read it; export the model to ONNX with TAO"
    ),
    **dict.fromkeys(
        ENGINE_SUFFIXES,
        "a TensorRT engine, which fits one GPU and one TensorRT version only; take the ONNX it was built from",
    ),
    **dict.fromkeys((".h5", ".hdf5", ".keras", ".pb", ".tflite"), "a TensorFlow model; export it to ONNX"),
    **dict.fromkeys(
        (".py", ".so", ".sh", ".ipynb", ".whl", ".exe", ".dll"), "program code, which is never run"
    ),
    ".nemo": "an archive of pickled weights, which is never opened; export the model to ONNX",
    ".gguf": "a language-model format; take the safetensors or ONNX of the model",
    ".msgpack": "Flax weights; convert them to safetensors",
    ".mlmodel": "a Core ML model; take the safetensors or ONNX of the model",
    ".mlpackage": "a Core ML model; take the safetensors or ONNX of the model",
    ".xml": "an OpenVINO model; take the safetensors or ONNX of the model",
}
SAFE_NAME = re.compile(r"[\w()+,=@ -][\w.()+,=@ -]{0,199}")
WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
QUANTISED = re.compile(r"(?:^|[_.-])(u?int[48]|quantized|q[48]f?\d*|bnb4|fp8)(?=[_.-]|$)", re.IGNORECASE)
# Words of a file's name that tell one form of a model from another, and nothing of what it detects.
FORMS = re.compile(
    r"onnx|model|[bf]?f(?:p|loat)?(?:8|16|32|64)|float|half|full|(?:u?int|[iquw])[48](?:f(?:16|32)|a(?:8|16|32))?|[48]bit"
    r"|bnb4?|quant(?:i[sz]ed)?|qdq|qat|ptq|qoperator|optimi[sz]ed|opt|simplified|simp?|slim|o[1-4]|dynamic|static|merged"
)
# Parts of a model, or what is done before and after it: none of them is a detector of its own.
PARTS = re.compile(r"(?:en|de)coder|embed(?:ding)?s?|tokenizer|nms|processor|(?:pre|post)process(?:ing|or)?")
MOST_SHOWN = 5


class IntakeError(BuildError):
    """Files from outside that are refused, with the file, what was found and what would be accepted."""


@dataclass(frozen=True)
class Choice:
    """The names to take, and for every other name the reason why it stays behind."""

    taken: tuple[str, ...]
    left: dict[str, str]


def refusal_of(name: str) -> str | None:
    """Return why a file of this name is never taken as a model, or None."""
    path = PurePosixPath(name)
    reason = REASONS.get(path.suffix.lower())
    return f"{printable(path.name)} is {reason}" if reason else None


def printable(name: str) -> str:
    """Return a name from outside as a sentence may show it: short, without control characters."""
    return without_controls(name[:120])


def is_safe_name(name: str) -> bool:
    """Return whether `name` is a relative path of ordinary characters that stays below its folder."""
    return 0 < len(name) <= 400 and all(SAFE_NAME.fullmatch(part) for part in name.split("/"))


def choose_files(names: Iterable[str], where: str) -> Choice:
    """Return the files to take from those called `names`; `where` names the source in errors.

    With ONNX of full or half precision no other weights of the same model are taken; without, the safetensors and
    what quantised ONNX there is. Raises IntakeError when there are no weights the build may open.
    """
    left = {name: _why_not(name) for name in sorted(names)}
    allowed = [name for name, reason in left.items() if reason is None]
    onnx = [name for name in allowed if name.lower().endswith(".onnx")]
    precise = [name for name in onnx if not QUANTISED.search(PurePosixPath(name).stem)]
    models = set(map(model_of, precise))
    if precise:
        precise += [name for name in onnx if model_of(name) not in models]
    weights = [name for name in allowed if WEIGHTS.fullmatch(name)]
    taken = precise or [*weights, *onnx]
    if not taken:
        raise IntakeError(f"{where}: {_nothing(left)}")
    for name in allowed:
        if name.lower().endswith((".onnx", ".safetensors")) and name not in taken:
            left[name] = "other weights are taken"
    return Choice(tuple(sorted(n for n in allowed if left[n] is None)), {n: r for n, r in left.items() if r})


def _words(name: str) -> list[str]:
    return re.split(r"[/_.\s-]+", name.lower().removesuffix(".onnx"))


def model_of(name: str) -> tuple[str, ...]:
    """Return what an ONNX file's path says of the model, without words on precision, quantisation and folding.

    Files of which this is the same are forms of one model.
    """
    return tuple(word for word in _words(name) if not FORMS.fullmatch(word))


def is_part(name: str) -> bool:
    """Tell a file that is by its name a part of a model, such as an encoder."""
    return any(map(PARTS.fullmatch, _words(name)))


def different_models(names: Iterable[str]) -> list[str]:
    """Return the first of the ONNX files of each model, in the order of `names`."""
    found: dict[tuple[str, ...], str] = {}
    for name in names:
        found.setdefault(model_of(name), name)
    return list(found.values())


def which_model(where: str, rivals: list[str], path: str) -> str:
    """Return the question which of the models in `rivals` is meant; `path` is the source that names the first."""
    shown = ", ".join(map(printable, rivals[:MOST_SHOWN])) + (", …" if len(rivals) > MOST_SHOWN else "")
    return (
        f"{where}: holds {len(rivals)} different models ({shown}), and only forms of one model are chosen between;"
        f" name the file, for the first with source: {path}"
    )


def _why_not(name: str) -> str | None:
    if not is_safe_name(name):
        return "its name has characters or parts that are not taken"
    depth = name.count("/")
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".onnx":
        return None
    if suffix in TEXT_SUFFIXES or suffix == ".safetensors":
        return None if depth == 0 else "not at the top of the folder"
    return REASONS.get(suffix, "not a kind of file this build reads")


def _nothing(left: dict[str, str | None]) -> str:
    wanted = "expected model.safetensors or an .onnx file"
    telling = [reason for name in left if (reason := refusal_of(name))]
    if telling:
        more = f" (and {len(telling) - 1} more like it)" if len(telling) > 1 else ""
        return f"model.safetensors missing, {wanted}, found {telling[0]}{more}."
    found = ", ".join(printable(name) for name in list(left)[:5]) or "no file at all"
    return f"model.safetensors missing, {wanted}, found {found}."
