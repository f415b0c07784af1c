// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// One frame for a parser, read from stdin in the layout that parser_calls.py writes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "nvdsinfer_custom_impl.h"

namespace parser_case {

constexpr std::uint32_t kNull = 0xffffffffU;

inline void read_bytes(void* target, std::size_t size) {
    if (size != 0 && std::fread(target, 1, size, stdin) != size) std::exit(3);
}

inline std::uint32_t read_u32() {
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

inline OwnedLayer read_layer() {
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

struct Case {
    NvDsInferNetworkInfo network = {};
    std::uint32_t classes = 0;
    std::vector<float> thresholds;
    std::vector<OwnedLayer> owned;
    std::vector<NvDsInferLayerInfo> layers;
};

inline Case read_case() {
    Case read;
    read.network.width = read_u32();
    read.network.height = read_u32();
    read.network.channels = 3;
    read.classes = read_u32();
    read.thresholds.resize(read_u32());
    read_bytes(read.thresholds.data(), read.thresholds.size() * sizeof(float));
    read.owned.resize(read_u32());
    for (OwnedLayer& layer : read.owned) {
        layer = read_layer();
        read.layers.push_back(layer.info);
    }
    return read;
}

}  // namespace parser_case
