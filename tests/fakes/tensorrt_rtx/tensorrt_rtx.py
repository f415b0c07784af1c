"""tensorrt_rtx as far as the build can see: it refuses nodes of foreign domains, and builds what it parsed.

FAKE_TENSORRT names a way to misbehave: crash, no-build (of the parsed graph), no-driver (of any graph).
"""

import os
from enum import Enum
from types import SimpleNamespace

import onnx

__version__ = "1.7.1.116"
how = os.environ.get("FAKE_TENSORRT")


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING = range(3)


ComputeCapability = Enum("ComputeCapability", {"NONE": 0, "SM89": 89, "SM120": 120})
ActivationType = SimpleNamespace(RELU=0)
float32 = 0


class Fault:
    def __init__(self, node):
        self.node_name = lambda: node.name
        self.node_operator = lambda: node.op_type
        self.desc = lambda: "Plugin not found"


class OnnxParser:
    def __init__(self, network, logger):
        self.network, self.logger, self.faults = network, logger, []

    def parse_from_file(self, path):
        if how == "crash":
            os.abort()
        self.network.nodes = onnx.load(path).graph.node
        self.faults = [Fault(node) for node in self.network.nodes if node.domain]
        for fault in self.faults:
            self.logger.log(ILogger.ERROR, f"While parsing {fault.node_name()}")
        return not self.faults

    @property
    def num_errors(self):
        return len(self.faults)

    def get_error(self, index):
        return self.faults[index]


class Profile:
    def set_shape(self, name, smallest, optimal, largest):
        self.shapes = (name, smallest, optimal, largest)


class Network:
    nodes = ()

    def add_input(self, *_):
        return SimpleNamespace()

    def add_activation(self, *_):
        return SimpleNamespace(get_output=lambda index: None)

    def mark_output(self, tensor):
        pass

    def get_layer(self, index):
        return self.nodes[index]

    @property
    def num_layers(self):
        return len(self.nodes)


class Builder:
    def __init__(self, logger):
        self.logger = logger

    def create_network(self, flags):
        return Network()

    def create_builder_config(self):
        config = SimpleNamespace(profiles=[])
        config.set_compute_capability = lambda *_: None
        config.add_optimization_profile = config.profiles.append
        return config

    def create_optimization_profile(self):
        return Profile()

    def build_serialized_network(self, network, config):
        for profile in config.profiles:
            self.logger.log(ILogger.WARNING, f"built with {profile.shapes}")
        if how == "no-driver":
            self.logger.log(ILogger.ERROR, "CUDA initialization failure with error: 35")
            return None
        if how == "no-build" and network.nodes:
            self.logger.log(ILogger.ERROR, "kOPT values for profile 0 violate shape constraints: /reshape")
            return None
        return SimpleNamespace(nbytes=3 * 2**20)
