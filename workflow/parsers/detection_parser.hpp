// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// What every detection parser shares: checked access to output tensors, thresholds as logits, boxes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>

#include "nvdsinfer_custom_impl.h"
#include "parser_settings.hpp"

#ifndef DEEPSTREAM_OBJECT_BYTES
#error "set DEEPSTREAM_OBJECT_BYTES to 28 (DeepStream 9 and later) or 24 (before)"
#endif

#define DETECTION_PARSER_EXPORT extern "C" __attribute__((visibility("default")))

// For whoever loads the library: the size of the objects that it writes. nvinfer does not look at it; the
// embedded runtime refuses a library with another size than its own. Not inline: that would make it one symbol
// for all libraries of a process. A parser is one source file, so there is one definition.
DETECTION_PARSER_EXPORT const unsigned int NvDsInferParseObjectBytes;
const unsigned int NvDsInferParseObjectBytes = sizeof(NvDsInferObjectDetectionInfo);

// Exports `parse` under the name that nvinfer looks up. An exception that reached nvinfer would end the process.
#define EXPORT_DETECTION_PARSER(symbol, parse)                                                                       \
    DETECTION_PARSER_EXPORT bool symbol(const detection_parser::Layers& layers, const NvDsInferNetworkInfo& network, \
                                        const NvDsInferParseDetectionParams& params,                                 \
                                        detection_parser::Objects& objects) {                                        \
        try {                                                                                                        \
            return parse(layers, detection_parser::model_network(network), params, objects);                         \
        } catch (const std::exception& error) {                                                                      \
            std::fprintf(stderr, "%s: %s\n", #symbol, error.what());                                                 \
            return false;                                                                                            \
        }                                                                                                            \
    }                                                                                                                \
    [[maybe_unused]] static constexpr NvDsInferParseCustomFunc kPrototype = &symbol

namespace detection_parser {

static_assert(sizeof(NvDsInferDims) == 40);
static_assert(sizeof(NvDsInferLayerInfo) == 72 && offsetof(NvDsInferLayerInfo, inferDims) == 4 &&
              offsetof(NvDsInferLayerInfo, bindingIndex) == 44 && offsetof(NvDsInferLayerInfo, layerName) == 48 &&
              offsetof(NvDsInferLayerInfo, buffer) == 56 && offsetof(NvDsInferLayerInfo, isInput) == 64);
static_assert(sizeof(NvDsInferNetworkInfo) == 12);
static_assert(sizeof(NvDsInferObjectDetectionInfo) == DEEPSTREAM_OBJECT_BYTES,
              "OBJECT_BYTES is not the object size of these DeepStream headers");
static_assert(offsetof(NvDsInferObjectDetectionInfo, detectionConfidence) == 20);
#ifdef __GLIBCXX__
static_assert(sizeof(NvDsInferParseDetectionParams) == 64);
#endif

using Layers = std::vector<NvDsInferLayerInfo>;
using Objects = std::vector<NvDsInferObjectDetectionInfo>;

// A checked [rows, columns] output tensor of one frame.
struct Matrix {
    const void* data;
    std::size_t rows;
    std::size_t columns;
    bool is_half;
};

// The value of IEEE binary16 bits; exact, infinities and NaN included.
inline float float_of_half(std::uint16_t bits) {
    const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7fffU) << 13;
    float value;
    std::memcpy(&value, &magnitude, sizeof value);
    value *= 0x1p112F;  // moves the exponent bias from 15 to 127 and normalises subnormals
    std::uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    word |= magnitude >= (0x7c00U << 13) ? 0x7f800000U : 0U;
    word |= static_cast<std::uint32_t>(bits & 0x8000U) << 16;
    std::memcpy(&value, &word, sizeof value);
    return value;
}

inline float as_float(float value) { return value; }
inline float as_float(std::uint16_t bits) { return float_of_half(bits); }

// Returns what `use` returns for the numbers of a tensor, as a pointer to what they are: floats or the bits of halves.
template <typename Tensor, typename Use>
auto with_numbers(const Tensor& tensor, Use use) {
    return tensor.is_half ? use(static_cast<const std::uint16_t*>(tensor.data))
                          : use(static_cast<const float*>(tensor.data));
}

inline float element(const Matrix& matrix, std::size_t row, std::size_t column) {
    const std::size_t index = row * matrix.columns + column;
    return with_numbers(matrix, [index](const auto* numbers) { return as_float(numbers[index]); });
}

// Finds the output `name` and checks that it is a readable FLOAT or HALF matrix. Says on stderr what is wrong.
inline bool find_matrix(const Layers& layers, const char* parser, const char* name, Matrix& matrix) {
    for (const NvDsInferLayerInfo& layer : layers) {
        if (layer.layerName == nullptr || std::strcmp(layer.layerName, name) != 0) continue;
        const NvDsInferDims& dims = layer.inferDims;
        if (dims.numDims != 2 || dims.d[0] == 0 || dims.d[1] == 0 ||
            std::uint64_t{dims.d[0]} * dims.d[1] != dims.numElements) {
            std::fprintf(stderr, "%s: output '%s' has %u dims (%u x %u, %u elements), expected 2 that fit\n", parser,
                         name, dims.numDims, dims.d[0], dims.d[1], dims.numElements);
            return false;
        }
        if (layer.dataType != FLOAT && layer.dataType != HALF) {
            std::fprintf(stderr, "%s: output '%s' has data type %d, expected FLOAT (0) or HALF (1)\n", parser, name,
                         static_cast<int>(layer.dataType));
            return false;
        }
        if (layer.buffer == nullptr) {
            std::fprintf(stderr, "%s: output '%s' has no buffer\n", parser, name);
            return false;
        }
        matrix = {layer.buffer, dims.d[0], dims.d[1], layer.dataType == HALF};
        return true;
    }
    std::fprintf(stderr, "%s: the model has no output '%s'\n", parser, name);
    return false;
}

// Whether nvinfer is configured for as many classes as the tensor has. Says on stderr where it is not.
inline bool check_classes(const char* parser, const char* tensor, std::size_t classes,
                          const NvDsInferParseDetectionParams& params) {
    const std::size_t thresholds = params.perClassPreclusterThreshold.size();
    if (classes == params.numClassesConfigured && classes == thresholds) return true;
    std::fprintf(stderr, "%s: %s has %zu classes, but num-detected-classes is %u with %zu thresholds\n", parser, tensor,
                 classes, params.numClassesConfigured, thresholds);
    return false;
}

// The network in which the model's boxes lie: its own, where the ONNX resizes nvinfer's frames itself.
inline NvDsInferNetworkInfo model_network(NvDsInferNetworkInfo network) {
    if (parser_settings::kModelWidth != 0) {
        network.width = static_cast<unsigned int>(parser_settings::kModelWidth);
        network.height = static_cast<unsigned int>(parser_settings::kModelHeight);
    }
    return network;
}

// Whether the network has any pixels. Says on stderr where it has none.
inline bool check_network(const char* parser, const NvDsInferNetworkInfo& network) {
    if (network.width != 0 && network.height != 0) return true;
    std::fprintf(stderr, "%s: the network is %u x %u pixels\n", parser, network.width, network.height);
    return false;
}

// The logit x with sigmoid(x) == threshold: -inf accepts all, +inf and NaN accept nothing.
inline float logit_of(float threshold) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (threshold <= 0.0F) return -infinity;
    if (threshold >= 1.0F) return infinity;
    return static_cast<float>(std::log(double{threshold} / (1.0 - double{threshold})));
}

inline float sigmoid(float logit) { return 1.0F / (1.0F + std::exp(-logit)); }

// nvinfer drops a box whose top and height, scaled and rounded to float32, add up to more than the frame's height. A
// box that ends this share of the network's height above the picture's edge is never dropped.
constexpr float kEdgeMargin = 0x1p-20F;

// Appends the box between two corners in pixels, moved back by how far nvinfer's scaling moves the picture and clipped
// to the picture: nvinfer drops a box that reaches into the padding below, and moves one that begins in the padding
// before. Then it is brought to nvinfer's network, which is the frame where the ONNX resizes itself. A box or score
// that is not finite, or a box without area inside the picture, is left out.
inline void append_box(Objects& objects, const NvDsInferNetworkInfo& network, std::uint32_t class_id, float confidence,
                       float left, float top, float right, float bottom) {
    if (!std::isfinite(confidence)) return;
    if (!std::isfinite(left) || !std::isfinite(top) || !std::isfinite(right) || !std::isfinite(bottom)) return;
    const float height = static_cast<float>(network.height);
    const float last_column = std::min(parser_settings::kPictureRight, static_cast<float>(network.width));
    const float last_row = std::min(parser_settings::kPictureBottom, height) - height * kEdgeMargin;
    const float x1 = std::max(left - parser_settings::kShiftX, parser_settings::kPictureLeft);
    const float y1 = std::max(top - parser_settings::kShiftY, parser_settings::kPictureTop);
    const float x2 = std::min(right - parser_settings::kShiftX, last_column);
    const float y2 = std::min(bottom - parser_settings::kShiftY, last_row);
    if (x2 <= x1 || y2 <= y1) return;
    NvDsInferObjectDetectionInfo object = {};
    object.classId = class_id;
    object.left = (x1 - parser_settings::kOriginX) * parser_settings::kFrameScaleX;
    object.top = (y1 - parser_settings::kOriginY) * parser_settings::kFrameScaleY;
    object.width = (x2 - x1) * parser_settings::kFrameScaleX;
    object.height = (y2 - y1) * parser_settings::kFrameScaleY;
    object.detectionConfidence = confidence;
    objects.push_back(object);
}

}  // namespace detection_parser
