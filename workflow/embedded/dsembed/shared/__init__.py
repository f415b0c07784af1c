"""What both programs of the embedded runtime need: the CPU, the C++ host, decoding, key files, log lines."""
