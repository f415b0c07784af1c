"""The embedded runtime: trtexec and deepstream-app for a machine without an NVIDIA GPU."""

RUNTIME_VERSION = "0.1.0"
