// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Calls a parser library as nvinfer does, once per case on stdin, and writes its answers to stdout.
// usage: parser_driver LIBRARY SYMBOL ; the byte layout is written down in test_parser_abi.py.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "nvdsinfer_custom_impl.h"

namespace {

constexpr std::uint32_t kNull = 0xffffffffU;

void read_bytes(void* target, std::size_t size) {
    if (size != 0 && std::fread(target, 1, size, stdin) != size) std::exit(3);
}

std::uint32_t read_u32() {
    std::uint32_t value = 0;
    read_bytes(&value, sizeof value);
    return value;
}

// Owns what a layer points to; exact heap sizes, so that a sanitizer sees one byte too many.
struct OwnedLayer {
    NvDsInferLayerInfo info = {};
    std::unique_ptr<char[]> name;
    std::unique_ptr<char[]> data;
};

OwnedLayer read_layer() {
    OwnedLayer layer;
    const std::uint32_t name_size = read_u32();
    if (name_size != kNull) {
        layer.name = std::make_unique<char[]>(name_size + 1);
        read_bytes(layer.name.get(), name_size);
    }
    layer.info.layerName = layer.name.get();
    layer.info.dataType = static_cast<NvDsInferDataType>(read_u32());
    read_bytes(&layer.info.inferDims, sizeof layer.info.inferDims);
    const std::uint32_t data_size = read_u32();
    if (data_size != kNull) {
        layer.data = std::make_unique<char[]>(data_size);
        read_bytes(layer.data.get(), data_size);
    }
    layer.info.buffer = layer.data.get();
    return layer;
}

void run_case(NvDsInferParseCustomFunc parse) {
    NvDsInferNetworkInfo network = {};
    network.width = read_u32();
    network.height = read_u32();
    network.channels = 3;
    const std::uint32_t classes = read_u32();
    std::vector<float> thresholds(read_u32());
    read_bytes(thresholds.data(), thresholds.size() * sizeof(float));
    const NvDsInferParseDetectionParams params = {classes, thresholds, thresholds, thresholds};
    std::vector<OwnedLayer> owned(read_u32());
    std::vector<NvDsInferLayerInfo> layers;
    for (OwnedLayer& layer : owned) {
        layer = read_layer();
        layers.push_back(layer.info);
    }
    std::vector<NvDsInferObjectDetectionInfo> objects;
    const std::uint32_t accepted = parse(layers, network, params, objects) ? 1 : 0;
    const auto count = static_cast<std::uint32_t>(objects.size());
    std::fwrite(&accepted, sizeof accepted, 1, stdout);
    std::fwrite(&count, sizeof count, 1, stdout);
    if (count != 0) std::fwrite(objects.data(), sizeof(NvDsInferObjectDetectionInfo), count, stdout);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    void* library = dlopen(argv[1], RTLD_LAZY);
    void* symbol = library == nullptr ? nullptr : dlsym(library, argv[2]);
    if (symbol == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    for (std::uint32_t cases = read_u32(); cases > 0; --cases) {
        run_case(reinterpret_cast<NvDsInferParseCustomFunc>(symbol));
    }
    return 0;
}
