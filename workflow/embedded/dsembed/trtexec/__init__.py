"""The embedded trtexec."""
