// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// What the parsers of dense heads share: a box and a score for each class at every anchor or grid cell, of which
// the best class counts.
#pragma once

#include "detection_parser.hpp"
#include "thresholds.hpp"

namespace detection_parser {

// Whether an anchor's `numbers` are `others` and then one for each class that nvinfer is configured for. Says on
// stderr what is wrong.
inline bool check_anchor(const char* parser, const char* tensor, std::size_t numbers, std::size_t others,
                         const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params) {
    if (numbers <= others) {
        std::fprintf(stderr, "%s: %s has %zu numbers for each anchor, expected %zu and the classes\n", parser, tensor,
                     numbers, others);
        return false;
    }
    return check_classes(parser, tensor, numbers - others, params) && check_network(parser, network);
}

// The least of the thresholds, which a score has to exceed at any rate; NaN accepts nothing, so it is not looked at.
inline float least_threshold(const std::vector<float>& thresholds) {
    float least = std::numeric_limits<float>::infinity();
    for (const float threshold : thresholds) least = threshold < least ? threshold : least;
    return least;
}

// Whether a number may be above the bound. There is no branch, so it vectorises; half NaNs have to be rejected after.
template <typename Number>
bool any_above(const Number* scores, std::size_t count, Ordered<Number> bound) {
    int hit = 0;
    for (std::size_t c = 0; c < count; ++c) hit |= ordered(scores[c]) > bound ? 1 : 0;
    return hit != 0;
}

struct BestClass {
    float score;
    std::size_t class_id;
};

// The first of the greatest scores; NaN never is.
template <typename Number>
BestClass best_class(const Number* scores, std::size_t classes) {
    BestClass best = {-std::numeric_limits<float>::infinity(), 0};
    for (std::size_t c = 0; c < classes; ++c) {
        const float score = as_float(scores[c]);
        if (score > best.score) best = {score, c};
    }
    return best;
}

// Appends the box of this width and height around a centre, all in pixels.
inline void append_centred(Objects& objects, const NvDsInferNetworkInfo& network, std::size_t class_id, float score,
                           float x, float y, float width, float height) {
    append_box(objects, network, static_cast<std::uint32_t>(class_id), score, x - width * 0.5F, y - height * 0.5F,
               x + width * 0.5F, y + height * 0.5F);
}

}  // namespace detection_parser
