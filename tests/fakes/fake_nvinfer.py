"""nvinfer as its log shows it: the configuration read, the engine loaded or rebuilt, the parser opened."""

import re
import sys

import deepstream_grammar as grammar

LINES = {6: 2, 7: 684, 9: 731}
TENSORRT = {6: "8.6.1.6", 7: "10.3.0.26", 9: "10.16.0.72"}


class NvinferError(Exception):
    """The element's error message and its debug text."""


def warn(text):
    """Print to stderr, as nvinfer does."""
    print(text, file=sys.stderr, flush=True)


def context(level, function, text, version):
    """Print one line of nvinfer's logger."""
    said = {"INFO": "Info from", "WARN": "Warning from", "ERROR": "Error in"}[level]
    warn(
        f"0:00:03.482913104  4127 0x5581c2a0b6f0 {level:<5}                nvinfer"
        f" gstnvinfer.cpp:{LINES[version[0]]}:gst_nvinfer_logger:<primary_gie> NvDsInferContext[UID 1]:"
        f" {said} NvDsInferContextImpl::{function}() <nvdsinfer_context_impl.cpp:2188> [UID = 1]: {text}"
    )


def start(config, batch_size, version, how):
    """Do what nvinfer does before the first frame; raise NvinferError where the element fails."""
    properties = _properties(config, version)
    batch = batch_size or int(properties.get("batch-size", "1"))
    engine = (config.resolve().parent / properties.get("model-engine-file", "")).resolve()
    if how == "no-engine-named":
        properties.pop("model-engine-file", None)
    if "model-engine-file" not in properties:
        return _rebuild(config, properties, batch, version)
    largest = re.search(r"_b(\d+)\.engine$", engine.name)
    if how == "other-tensorrt":
        text = f"expecting library version {TENSORRT[version[0]]} got 8.5.3.1, please rebuild."
        warn(f"ERROR: [TRT]: 6: The engine plan file is not compatible with this version of TensorRT, {text}")
    elif how == "other-gpu":
        text = "expecting compute 8.9 got compute 7.5, please rebuild."
        warn(f"ERROR: [TRT]: 6: The engine plan file is generated on an incompatible device, {text}")
    elif how == "other-dims":
        context("WARN", "checkBackendParams", "backend can not support dims:3x640x640", version)
    elif not engine.is_file():
        warn(f"WARNING: Deserialize engine failed because file path: {engine} open error")
    elif (unfit := _unfit(engine, int(largest[1]), batch) if largest else None) is not None:
        context("WARN", "checkBackendParams", unfit, version)
        text = f"deserialized backend context :{engine} failed to match config params, trying rebuild"
        context("WARN", "generateBackendContext", text, version)
        return _rebuild(config, properties, batch, version)
    else:
        context("INFO", "deserializeEngineAndBackend", f"deserialized trt engine from :{engine}", version)
        context("INFO", "generateBackendContext", f"Use deserialized engine model: {engine}", version)
        return _open_parser(config, properties, version)
    context("WARN", "deserializeEngineAndBackend", f"deserialize engine from file :{engine} failed", version)
    text = f"deserialize backend context from engine from file :{engine} failed, try rebuild"
    context("WARN", "generateBackendContext", text, version)
    return _rebuild(config, properties, batch, version)


def _unfit(engine, largest, batch):
    """Return why the engine cannot serve the batch; one of a static batch serves no other."""
    if batch > largest:
        return f"Backend has maxBatchSize {largest} whereas {batch} has been requested"
    is_static = engine.read_bytes().startswith(b'{"static": [')
    return "backend can not support dims:3x640x640" if is_static and batch != largest else None


def _properties(config, version):
    try:
        groups = grammar.read_key_file(config)
        properties = groups["property"]
        _check(groups, version)
    except (OSError, KeyError, grammar.GrammarError) as error:
        warn(f"Error while parsing config file: {error}")
        raise NvinferError("Configuration file parsing failed", f"Config file path: {config}") from error
    return properties


def _check(groups, version):
    known = grammar.PROPERTY | (grammar.PROPERTY_SINCE[9] if version >= (9,) else {})
    for name, keys in groups.items():
        attributes = re.fullmatch(r"class-attrs-(all|\d+)", name)
        table = known if name == "property" else grammar.CLASS_ATTRS if attributes else {}
        classes = int(groups["property"].get("num-detected-classes", "0"))
        if attributes and attributes[1] != "all" and int(attributes[1]) >= classes:
            raise grammar.GrammarError(f"Group [{name}] is for a class that does not exist")
        for key, value in keys.items() if table else ():
            if key not in table:
                form = "Unknown or legacy key specified" if name == "property" else "Unknown key"
                warn(f"{form} '{key}' for group [property]")
            elif table[key] is not str and grammar.typed(table[key], value) < 0:
                raise grammar.GrammarError(f"negative value for {key}")


def _rebuild(config, properties, batch, version):
    context("INFO", "buildModel", "Trying to create engine from model files", version)
    onnx = (config.resolve().parent / properties.get("onnx-file", "none")).resolve()
    if not onnx.is_file():
        for text in ("build engine file failed", "build backend context failed"):
            context("ERROR", "generateBackendContext", text, version)
        raise NvinferError(
            "Failed to create NvDsInferContext instance",
            f"Config file path: {config}, NvDsInfer Error: NVDSINFER_CONFIG_FAILED",
        )
    name = f"{onnx}_b{batch}_gpu0_fp16.engine"
    context("INFO", "buildModel", f"serialize cuda engine to file: {name} successfully", version)
    return _open_parser(config, properties, version)


def _open_parser(config, properties, version):
    folder = config.resolve().parent
    for key, failed in (
        ("custom-lib-path", "Could not open custom lib"),
        ("labelfile-path", "Could not open labels"),
    ):
        if not (folder / properties.get(key, "")).is_file():
            context("ERROR", "initialize", f"{failed}: {properties.get(key)}", version)
            raise NvinferError(
                "Failed to create NvDsInferContext instance",
                f"Config file path: {config}, NvDsInfer Error: NVDSINFER_CUSTOM_LIB_FAILED",
            )
    warn(f"0:00:03.489 4127 0x55 INFO nvinfer <primary_gie> [UID 1]: Load new model:{config} sucessfully")
