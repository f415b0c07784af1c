"""What the host is: its tools, GPUs and runtime, the clip it plays, and the GPU node of a cluster."""
