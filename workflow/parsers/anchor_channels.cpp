// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of detectors whose anchors lie along the last axis (YOLOv8, 9, 11, 12): [4 + C, N], of which the first four
// channels are centre x, centre y, width, height in network pixels, the others the final score of each class.
//
// As the reference post-processing does before it clusters, an anchor whose best class scores above the threshold of
// that class is one object; among equal scores the first class is the best, and NaN never is. Objects are in the order
// of the anchors.
#include "anchors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomAnchorChannels";

constexpr std::size_t kBoxChannels = 4;

// A block's best scores and their classes stay in the first cache while its channels pass by, one after the other.
constexpr std::size_t kBlock = 1024;

// A class beside each number, as wide as the number, so that both are chosen with one mask.
std::uint32_t class_beside(float) { return 0; }
std::uint16_t class_beside(std::uint16_t) { return 0; }
template <typename Number>
using Class = decltype(class_beside(Number{}));

// NaN compares false as a float; as an ordered half it lies beyond infinity and must lie below all numbers.
float comparable(float score) { return score; }
std::int16_t comparable(std::uint16_t half) {
    const std::int16_t order = ordered(half);
    return order > 0x7c00 ? std::numeric_limits<std::int16_t>::min() : order;
}

template <typename Number>
struct Block {
    Ordered<Number> best[kBlock];
    Class<Number> classes[kBlock];
};

// Writes the best score above the bound of `count` anchors and its class; the bound where there is none.
template <typename Number>
void find_best(const Number* __restrict scores, std::size_t channels, std::size_t anchors, std::size_t count,
               Ordered<Number> bound, Block<Number>& __restrict block) {
    for (std::size_t n = 0; n < count; ++n) block.best[n] = bound;
    for (std::size_t c = 0; c < channels; ++c) {
        const Number* __restrict channel = scores + c * anchors;
        const auto class_id = static_cast<Class<Number>>(c);
        for (std::size_t n = 0; n < count; ++n) {
            const Ordered<Number> score = comparable(channel[n]);
            const Ordered<Number> best = block.best[n];
            // As a mask: where two values are chosen by one condition, compilers branch instead of vectorising.
            const auto better = static_cast<Class<Number>>(-static_cast<int>(score > best));
            block.best[n] = score > best ? score : best;
            block.classes[n] = static_cast<Class<Number>>((class_id & better) | (block.classes[n] & ~better));
        }
    }
}

template <typename Number>
void append_all(Objects& objects, const NvDsInferNetworkInfo& network, const Matrix& channels, const Number* boxes,
                const std::vector<float>& thresholds) {
    Ordered<Number> bound;
    order_below(least_threshold(thresholds), bound);
    const std::size_t anchors = channels.columns;
    const Number* scores = boxes + kBoxChannels * anchors;
    Block<Number> block = {};
    for (std::size_t first = 0; first < anchors; first += kBlock) {
        const std::size_t count = std::min(kBlock, anchors - first);
        find_best(scores + first, thresholds.size(), anchors, count, bound, block);
        for (std::size_t n = 0; n < count; ++n) {
            if (!(block.best[n] > bound)) continue;
            const std::size_t class_id = block.classes[n];
            const std::size_t anchor = first + n;
            const float score = as_float(scores[class_id * anchors + anchor]);
            if (!(score > thresholds[class_id])) continue;
            append_centred(objects, network, class_id, score, as_float(boxes[anchor]),
                           as_float(boxes[anchors + anchor]), as_float(boxes[2 * anchors + anchor]),
                           as_float(boxes[3 * anchors + anchor]));
        }
    }
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix channels = {};
    if (!find_matrix(layers, kParser, kChannelsTensor, channels) ||
        !check_anchor(kParser, kChannelsTensor, channels.rows, kBoxChannels, network, params)) {
        return false;
    }
    if (channels.rows - kBoxChannels > std::numeric_limits<Class<std::uint16_t>>::max()) {
        std::fprintf(stderr, "%s: %s has %zu channels, expected at most 65539\n", kParser, kChannelsTensor,
                     channels.rows);
        return false;
    }
    with_numbers(channels, [&](const auto* numbers) {
        append_all(objects, network, channels, numbers, params.perClassPreclusterThreshold);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomAnchorChannels, parse);
