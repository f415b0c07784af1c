// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// nvinfer's preprocessing in one pass: 4:2:0 planes to a normalised planar float32 tensor.
#include <algorithm>
#include <new>
#include <stdexcept>

#include "interface.hpp"
#include "rgb_rows.hpp"
#include "streammux.hpp"

namespace {

void fill_black(const Network& network, float* tensor) {
    const int plane = network.width * network.height;
    for (int channel = 0; channel < 3; ++channel) {
        const float black = network.scale_factor * (0.0f - network.offsets[channel]);
        std::fill_n(tensor + static_cast<int64_t>(channel) * plane, plane, black);
    }
}

void write_channel(const Network& network, int channel, const std::vector<float>& levels, float* corner) {
    const float scale = network.scale_factor, offset = network.offsets[channel];
    float* output = corner + static_cast<int64_t>(channel) * network.width * network.height;
    for (size_t x = 0; x < levels.size(); ++x) {
        output[x] = scale * (levels[x] - offset);
    }
}

void write_tensor(const Frame& frame, const Network& network, float* tensor) {
    thread_local AxisCache axes;  // each source has a thread of its own
    RgbRows rows(scale(axes, frame, filter_of(network.scaling_filter), network.picture_left, network.picture_width,
                       network.picture_height),
                 Colours(frame));
    const int red = network.bgr ? 2 : 0;
    float* corner = tensor + static_cast<int64_t>(network.picture_top) * network.width + network.picture_left;
    for (int y = 0; y < rows.rows(); ++y, corner += network.width) {
        rows.load(y);
        write_channel(network, red, rows.red, corner);
        write_channel(network, 1, rows.green, corner);
        write_channel(network, 2 - red, rows.blue, corner);
    }
}

void prepare(const Frame& source, const Mux& mux, const Network& network, float* tensor) {
    const bool is_odd = (network.picture_width | network.picture_height) & 1;
    if (network.picture_width < network.width || network.picture_height < network.height || is_odd) {
        fill_black(network, tensor);
    }
    if (source.width == mux.width && source.height == mux.height) {
        write_tensor(source, network, tensor);
        return;
    }
    thread_local std::vector<uint8_t> surface;
    write_tensor(scale_to_mux(source, mux, surface), network, tensor);
}

}  // namespace

int32_t dsembed_prepare(const Frame* source, const Mux* mux, const Network* network, float* tensor) {
    try {
        prepare(*source, *mux, *network, tensor);
        return 1;
    } catch (const std::bad_alloc&) {
        return 0;
    } catch (const std::length_error&) {
        return 0;
    }
}
