"""What runs inside the environment of TensorRT-RTX, by its own Python."""
