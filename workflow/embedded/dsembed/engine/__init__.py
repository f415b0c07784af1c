"""From an ONNX to an engine and its execution on OpenVINO."""
