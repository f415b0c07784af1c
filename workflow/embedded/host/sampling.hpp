// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Where each output sample of a scaled axis lies between its two input samples.
#ifndef DSEMBED_SAMPLING_HPP
#define DSEMBED_SAMPLING_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <tuple>
#include <vector>

struct Axis {
    std::vector<int32_t> near;
    std::vector<int32_t> far;
    std::vector<float> weight;  // of far; near has 1 - weight

    explicit Axis(int size) : near(size), far(size), weight(size) {}
};

// Luma positions with half-pixel centres: (i + 0.5) * input / output - 0.5, clamped to the picture.
inline float luma_position(int index, int output, int input) {
    const float position = (index + 0.5f) * input / output - 0.5f;
    return std::clamp(position, 0.0f, static_cast<float>(input - 1));
}

// An axis of samples at `halved * luma position + shift`: (1, 0) for luma, (0.5, 0) for chroma sited on the
// left luma column, (0.5, -0.25) for chroma between two luma rows.
inline Axis make_axis(int output, int luma_input, int plane_input, float halved, float shift, bool bilinear) {
    Axis axis(output);
    for (int i = 0; i < output; ++i) {
        const float luma = luma_position(i, output, luma_input);
        if (!bilinear) {
            const int nearest = static_cast<int>((i + 0.5f) * luma_input / output);
            const int clamped = std::min(nearest, luma_input - 1);
            axis.near[i] = axis.far[i] = std::min(static_cast<int>(clamped * halved), plane_input - 1);
            continue;
        }
        const float position = std::clamp(luma * halved + shift, 0.0f, static_cast<float>(plane_input - 1));
        axis.near[i] = static_cast<int>(position);
        axis.far[i] = std::min(axis.near[i] + 1, plane_input - 1);
        axis.weight[i] = position - static_cast<float>(axis.near[i]);
    }
    return axis;
}

// An axis that is made anew only when its sizes change, which those of a video seldom do.
class CachedAxis {
public:
    const Axis& get(int output, int luma_input, int plane_input, float halved, float shift, bool bilinear) {
        const Key key{output, luma_input, plane_input, halved, shift, bilinear};
        if (key != key_) {
            axis_ = make_axis(output, luma_input, plane_input, halved, shift, bilinear);
            key_ = key;
        }
        return axis_;
    }

private:
    using Key = std::tuple<int, int, int, float, float, bool>;
    Key key_{};
    Axis axis_{0};
};

// One row between two rows of a plane, as floats.
inline void blend_rows(const uint8_t* near, const uint8_t* far, float weight, int step, int count, float* row) {
    if (step == 1) {
        for (int i = 0; i < count; ++i) {
            const float value = near[i];
            row[i] = value + weight * (static_cast<float>(far[i]) - value);
        }
        return;
    }
    for (int i = 0; i < count; ++i) {
        const float value = near[i * step];
        row[i] = value + weight * (static_cast<float>(far[i * step]) - value);
    }
}

inline float sample(const float* row, const Axis& axis, int i) {
    const float value = row[axis.near[i]];
    return value + axis.weight[i] * (row[axis.far[i]] - value);
}

#endif
