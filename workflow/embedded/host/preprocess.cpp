// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// nvinfer's preprocessing in one pass: 4:2:0 planes to a normalised planar float32 tensor.
#include <new>
#include <stdexcept>

#include "interface.hpp"
#include "sampling.hpp"
#include "streammux.hpp"

namespace {

struct ColourMatrix {  // x = luma_gain * (Y - luma_zero) + gain * (Cb - 128) + gain * (Cr - 128)
    float luma_gain, luma_zero, red_cr, green_cb, green_cr, blue_cb;
};

ColourMatrix colour_matrix(const Frame& frame) {
    const float red = frame.bt709 ? 0.2126f : 0.299f;
    const float blue = frame.bt709 ? 0.0722f : 0.114f;
    const float green = 1.0f - red - blue;
    const float chroma_gain = frame.full_range ? 1.0f : 255.0f / 224.0f;
    return {frame.full_range ? 1.0f : 255.0f / 219.0f,
            frame.full_range ? 0.0f : 16.0f,
            2.0f * (1.0f - red) * chroma_gain,
            -2.0f * blue * (1.0f - blue) / green * chroma_gain,
            -2.0f * red * (1.0f - red) / green * chroma_gain,
            2.0f * (1.0f - blue) * chroma_gain};
}

// DeepStream's intermediate surface is 8 bits per channel, so the value is rounded before normalisation.
inline float eight_bits(float value) {
    return static_cast<float>(static_cast<int32_t>(std::min(std::max(value, 0.0f), 255.0f) + 0.5f));
}

struct Rows {
    std::vector<float> luma, cb, cr;

    void load(const Frame& frame, const Axis& luma_axis, const Axis& chroma_axis, int y, int width) {
        const int chroma_width = (frame.width + 1) / 2;
        blend_rows(frame.luma + static_cast<int64_t>(luma_axis.near[y]) * frame.luma_stride,
                   frame.luma + static_cast<int64_t>(luma_axis.far[y]) * frame.luma_stride, luma_axis.weight[y], 1,
                   width, luma.data());
        const int64_t near = static_cast<int64_t>(chroma_axis.near[y]) * frame.chroma_stride;
        const int64_t far = static_cast<int64_t>(chroma_axis.far[y]) * frame.chroma_stride;
        const float weight = chroma_axis.weight[y];
        blend_rows(frame.cb + near, frame.cb + far, weight, frame.chroma_step, chroma_width, cb.data());
        blend_rows(frame.cr + near, frame.cr + far, weight, frame.chroma_step, chroma_width, cr.data());
    }
};

void fill_padding(const Network& network, float* tensor) {
    const int plane = network.width * network.height;
    for (int channel = 0; channel < 3; ++channel) {
        const float black = network.scale_factor * (0.0f - network.offsets[channel]);
        std::fill_n(tensor + static_cast<int64_t>(channel) * plane, plane, black);
    }
}

struct PictureAxes {
    const Axis &luma_x, &chroma_x, &luma_y, &chroma_y;
};

// Of a picture of `width` x `height` luma samples, both even; each source has a thread of its own.
PictureAxes picture_axes(const Network& network, int width, int height) {
    thread_local CachedAxis luma_x, chroma_x, luma_y, chroma_y;
    const int columns = network.picture_width, rows = network.picture_height;
    const bool bilinear = network.bilinear;
    return {luma_x.get(columns, width, width, 1.0f, 0.0f, bilinear),
            chroma_x.get(columns, width, width / 2, 0.5f, 0.0f, bilinear),
            luma_y.get(rows, height, height, 1.0f, 0.0f, bilinear),
            chroma_y.get(rows, height, height / 2, 0.5f, -0.25f, bilinear)};
}

void write_tensor(const Frame& frame, const Network& network, float* tensor) {
    const int width = frame.width & ~1;
    const int height = frame.height & ~1;
    const int columns = network.picture_width;
    const PictureAxes axes = picture_axes(network, width, height);
    const Axis &luma_x = axes.luma_x, &chroma_x = axes.chroma_x;
    const ColourMatrix matrix = colour_matrix(frame);
    const int plane = network.width * network.height;
    const int red = network.bgr ? 2 : 0;
    const int blue = 2 - red;
    const float scale = network.scale_factor;
    const float red_offset = network.offsets[red], green_offset = network.offsets[1];
    const float blue_offset = network.offsets[blue];
    const int chroma_width = (frame.width + 1) / 2;
    Rows rows{std::vector<float>(width), std::vector<float>(chroma_width), std::vector<float>(chroma_width)};
    for (int y = 0; y < network.picture_height; ++y) {
        rows.load(frame, axes.luma_y, axes.chroma_y, y, width);
        float* origin = tensor + (y + network.picture_top) * network.width + network.picture_left;
        float* __restrict red_out = origin + red * plane;
        float* __restrict green_out = origin + plane;
        float* __restrict blue_out = origin + blue * plane;
        for (int x = 0; x < columns; ++x) {
            const float luma = matrix.luma_gain * (sample(rows.luma.data(), luma_x, x) - matrix.luma_zero);
            const float cb = sample(rows.cb.data(), chroma_x, x) - 128.0f;
            const float cr = sample(rows.cr.data(), chroma_x, x) - 128.0f;
            red_out[x] = scale * (eight_bits(luma + matrix.red_cr * cr) - red_offset);
            green_out[x] = scale * (eight_bits(luma + matrix.green_cb * cb + matrix.green_cr * cr) - green_offset);
            blue_out[x] = scale * (eight_bits(luma + matrix.blue_cb * cb) - blue_offset);
        }
    }
}

void prepare(const Frame& source, const Mux& mux, const Network& network, float* tensor) {
    if (network.picture_width < network.width || network.picture_height < network.height) {
        fill_padding(network, tensor);
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
