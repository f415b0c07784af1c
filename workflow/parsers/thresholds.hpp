// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// The thresholds of all classes in a form that a whole row of a tensor is compared with fast.
#pragma once

#include "detection_parser.hpp"

namespace detection_parser {

// A number as something that compares fast without F16C, which not every node has: halves compare as the
// integers of the same order. NaN halves lie beyond the infinities; an exact comparison has to reject them.
inline float ordered(float value) { return value; }
inline std::int16_t ordered(std::uint16_t half) {
    const auto bits = static_cast<std::int16_t>(half);
    return static_cast<std::int16_t>(bits ^ ((bits >> 15) & 0x7fff));
}

template <typename Number>
using Ordered = decltype(ordered(Number{}));

// The greatest ordered number that is not above `value`.
inline void order_below(float value, float& bound) { bound = value; }
inline void order_below(float value, std::int16_t& bound) {
    int low = ordered(std::uint16_t{0xfc00});   // -infinity
    int high = ordered(std::uint16_t{0x7c00});  // +infinity
    while (low < high) {
        const int middle = (low + high + 1) >> 1;
        if (float_of_half(static_cast<std::uint16_t>(middle ^ ((middle >> 15) & 0x7fff))) <= value) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    bound = static_cast<std::int16_t>(low);
}

// What the numbers of each class must exceed, exactly and as the bound of a fast scan.
template <typename Number>
struct Thresholds {
    std::vector<float> exact;
    std::vector<Ordered<Number>> bound;
};

// Thresholds on a tensor of logits from thresholds on scores. No number exceeds those of the classes before
// `first_class`.
template <typename Number>
Thresholds<Number> logit_thresholds(const std::vector<float>& scores, std::size_t first_class) {
    Thresholds<Number> thresholds;
    thresholds.exact.resize(scores.size());
    thresholds.bound.resize(scores.size());
    for (std::size_t c = 0; c < scores.size(); ++c) {
        const float score = c < first_class ? 1.0F : scores[c];
        if (c > first_class && score == scores[c - 1]) {
            thresholds.exact[c] = thresholds.exact[c - 1];
            thresholds.bound[c] = thresholds.bound[c - 1];
        } else {
            thresholds.exact[c] = logit_of(score);
            order_below(thresholds.exact[c], thresholds.bound[c]);
        }
    }
    return thresholds;
}

// Whether a row may have a number above its threshold. There is no branch, so it vectorises; what it finds has
// to be compared exactly.
template <typename Number>
bool may_exceed(const Number* row, const Thresholds<Number>& thresholds) {
    int hit = 0;
    const Ordered<Number>* bound = thresholds.bound.data();
    for (std::size_t c = 0; c < thresholds.bound.size(); ++c) hit |= ordered(row[c]) > bound[c] ? 1 : 0;
    return hit != 0;
}

}  // namespace detection_parser
