// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Y'CbCr to RGB and back with 8 bits, as NvBufSurfTransform computes them.
#ifndef DSEMBED_COLOUR_HPP
#define DSEMBED_COLOUR_HPP

#include <algorithm>
#include <cstdint>

#include "interface.hpp"

inline float truncated(float value) {
    return static_cast<float>(static_cast<int32_t>(std::min(std::max(value, 0.0f), 255.0f)));
}

// A level as a sum of red, green and blue.
struct Mixture {
    float red, green, blue, constant;

    uint8_t level(float r, float g, float b) const {
        const float sum = red * r + green * g + blue * b + constant;
        return static_cast<uint8_t>(static_cast<int32_t>(std::min(sum, 255.0f)));
    }
};

struct Colours {
    // channel = luma_gain * (Y - luma_zero) + gain * (Cb - 128) + gain * (Cr - 128) + lift, truncated
    float luma_gain, luma_zero, lift, red_cr, green_cb, green_cr, blue_cb;
    Mixture luma, cb, cr;

    explicit Colours(const Frame& frame) {
        const float red = frame.bt709 ? 0.2126f : 0.299f, blue = frame.bt709 ? 0.0722f : 0.114f;
        const float green = 1.0f - red - blue;
        const bool is_full = frame.full_range;
        const float gain = is_full ? kFullGain : 255.0f / 224.0f;
        luma_gain = is_full ? kFullGain : 255.0f / 219.0f;
        luma_zero = is_full ? 0.0f : 16.0f;
        lift = is_full ? kFullLift : 0.0f;
        red_cr = 2.0f * (1.0f - red) * gain;
        green_cb = -2.0f * blue * (1.0f - blue) / green * gain;
        green_cr = -2.0f * red * (1.0f - red) / green * gain;
        blue_cb = 2.0f * (1.0f - blue) * gain;
        const float luma_range = is_full ? 1.0f : 219.0f / 255.0f, chroma_range = is_full ? 1.0f : 224.0f / 255.0f;
        const float rounding = is_full ? 0.5f : kBackLift;  // of full range not measured
        luma = {red * luma_range, green * luma_range, blue * luma_range, luma_zero + rounding};
        const float to_cb = chroma_range / (2.0f * (1.0f - blue)), to_cr = chroma_range / (2.0f * (1.0f - red));
        cb = {-red * to_cb, -green * to_cb, (1.0f - blue) * to_cb, 128.0f + rounding};
        cr = {(1.0f - red) * to_cr, -green * to_cr, -blue * to_cr, 128.0f + rounding};
    }

    float grey(uint8_t sample) const { return luma_gain * (static_cast<float>(sample) - luma_zero); }

private:
    // Fitted to what the library writes: with these all full-range samples that were measured are equal.
    static constexpr float kFullGain = 255.985f / 255.0f;
    static constexpr float kFullLift = -0.0005f;
    // What float32 may lack of a whole number.
    static constexpr float kBackLift = 1e-4f;
};

#endif
