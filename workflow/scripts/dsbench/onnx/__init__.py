"""From a source to a proven ONNX: export, import, repair, half precision."""
