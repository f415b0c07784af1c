// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Checked access to the outputs that are no matrix: lists of numbers of any type, and grids.
#pragma once

#include "detection_parser.hpp"

namespace detection_parser {

// A checked list of one frame: scores, or counts and classes in whatever type the engine has them.
struct List {
    const void* data;
    std::size_t size;
    NvDsInferDataType type;
};

// A checked [planes, rows, columns] output of one frame.
struct Grid {
    const void* data;
    std::size_t planes;
    std::size_t rows;
    std::size_t columns;
    bool is_half;
};

// INT64 by its number: DeepStream 6's headers have no name for it.
constexpr int kInt64 = 4;

inline bool is_real(NvDsInferDataType type) { return type == FLOAT || type == HALF; }
inline bool is_whole(NvDsInferDataType type) { return type == INT32 || static_cast<int>(type) == kInt64; }

// Finds the output `name` and checks that it is readable, real or, where `may_be_whole`, of whole numbers, and
// has `dim_count` dims, none of them 0. Null, and one line on stderr, where it is not.
inline const NvDsInferLayerInfo* find_output(const Layers& layers, const char* parser, const char* name,
                                             unsigned int dim_count, bool may_be_whole) {
    for (const NvDsInferLayerInfo& layer : layers) {
        if (layer.layerName == nullptr || std::strcmp(layer.layerName, name) != 0) continue;
        const NvDsInferDims& dims = layer.inferDims;
        std::uint64_t elements = dims.numDims == dim_count ? 1 : 0;
        // It stops growing at the first product that no number of elements can be, long before it overflows.
        for (unsigned int i = 0; i < dim_count && elements != 0 && elements <= dims.numElements; ++i) {
            elements *= dims.d[i];
        }
        if (elements == 0 || elements != dims.numElements) {
            std::fprintf(stderr, "%s: output '%s' has %u dims (%u x %u x %u, %u elements), expected %u that fit\n",
                         parser, name, dims.numDims, dims.d[0], dims.d[1], dims.d[2], dims.numElements, dim_count);
            return nullptr;
        }
        if (!is_real(layer.dataType) && !(may_be_whole && is_whole(layer.dataType))) {
            std::fprintf(stderr, "%s: output '%s' has data type %d, expected FLOAT (0) or HALF (1)%s\n", parser, name,
                         static_cast<int>(layer.dataType), may_be_whole ? ", INT32 (3) or INT64 (4)" : "");
            return nullptr;
        }
        if (layer.buffer == nullptr) {
            std::fprintf(stderr, "%s: output '%s' has no buffer\n", parser, name);
            return nullptr;
        }
        return &layer;
    }
    std::fprintf(stderr, "%s: the model has no output '%s'\n", parser, name);
    return nullptr;
}

// The number of dims of a list that may be written as a matrix of one column.
inline unsigned int column_dims(const Layers& layers, const char* name) {
    for (const NvDsInferLayerInfo& layer : layers) {
        if (layer.layerName == nullptr || std::strcmp(layer.layerName, name) != 0) continue;
        return layer.inferDims.numDims == 2 && layer.inferDims.d[1] == 1 ? 2 : 1;
    }
    return 1;
}

inline bool find_list(const Layers& layers, const char* parser, const char* name, unsigned int dims, bool may_be_whole,
                      List& list) {
    const NvDsInferLayerInfo* layer = find_output(layers, parser, name, dims, may_be_whole);
    if (layer != nullptr) list = {layer->buffer, layer->inferDims.d[0], layer->dataType};
    return layer != nullptr;
}

inline bool find_scores(const Layers& layers, const char* parser, const char* name, List& list, unsigned int dims = 1) {
    return find_list(layers, parser, name, dims, false, list);
}

inline bool find_labels(const Layers& layers, const char* parser, const char* name, List& list, unsigned int dims = 1) {
    return find_list(layers, parser, name, dims, true, list);
}

inline bool find_grid(const Layers& layers, const char* parser, const char* name, Grid& grid) {
    const NvDsInferLayerInfo* layer = find_output(layers, parser, name, 3, false);
    if (layer == nullptr) return false;
    const unsigned int* d = layer->inferDims.d;
    grid = {layer->buffer, d[0], d[1], d[2], layer->dataType == HALF};
    return true;
}

inline double number(const List& list, std::size_t index) {
    switch (static_cast<int>(list.type)) {
        case HALF:
            return float_of_half(static_cast<const std::uint16_t*>(list.data)[index]);
        case INT32:
            return static_cast<const std::int32_t*>(list.data)[index];
        case kInt64:
            return static_cast<double>(static_cast<const std::int64_t*>(list.data)[index]);
        default:
            return static_cast<const float*>(list.data)[index];
    }
}

// A number of detections as the engine gives it, which may be anything: at most `most`, and 0 for NaN.
inline std::size_t clamped_count(double count, std::size_t most) {
    if (!(count > 0.0)) return 0;
    return count < static_cast<double>(most) ? static_cast<std::size_t>(count) : most;
}

// Whether two outputs have a row for each detection. Says on stderr where they have not.
inline bool check_rows(const char* parser, const char* name, std::size_t found, std::size_t expected) {
    if (found == expected) return true;
    std::fprintf(stderr, "%s: output '%s' has %zu rows, expected %zu\n", parser, name, found, expected);
    return false;
}

// Whether a matrix has as many columns as its rows have parts. Says on stderr where it has not.
inline bool check_columns(const char* parser, const char* name, const Matrix& matrix, std::size_t expected) {
    if (matrix.columns == expected) return true;
    std::fprintf(stderr, "%s: output '%s' is %zu x %zu, expected %zu columns\n", parser, name, matrix.rows,
                 matrix.columns, expected);
    return false;
}

}  // namespace detection_parser
