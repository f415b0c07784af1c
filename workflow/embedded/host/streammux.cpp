// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
#include "streammux.hpp"

#include "sampling.hpp"

namespace {

struct Rectangle {  // luma samples; with padding all even
    int left, top, width, height;
};

Rectangle picture_in(const Frame& source, const Mux& mux) {
    if (!mux.enable_padding) {
        return {0, 0, mux.width, mux.height};
    }
    int width = mux.width;
    int height = static_cast<int>(static_cast<int64_t>(mux.width) * source.height / source.width);
    if (height > mux.height) {
        height = mux.height;
        width = static_cast<int>(static_cast<int64_t>(mux.height) * source.width / source.height);
    }
    width = std::max(2, width & ~1);
    height = std::max(2, height & ~1);
    return {((mux.width - width) / 2) & ~1, ((mux.height - height) / 2) & ~1, width, height};
}

struct Plane {
    const uint8_t* samples;
    int stride, step;
};

void scale_plane(const Plane& input, int input_width, const Axis& columns, const Axis& rows, uint8_t* output,
                 int output_stride) {
    std::vector<float> row(input_width);
    const int width = static_cast<int>(columns.near.size());
    for (size_t y = 0; y < rows.near.size(); ++y) {
        blend_rows(input.samples + static_cast<int64_t>(rows.near[y]) * input.stride,
                   input.samples + static_cast<int64_t>(rows.far[y]) * input.stride, rows.weight[y], input.step,
                   input_width, row.data());
        uint8_t* line = output + static_cast<int64_t>(y) * output_stride;
        for (int x = 0; x < width; ++x) {
            line[x] = static_cast<uint8_t>(static_cast<int32_t>(sample(row.data(), columns, x) + 0.5f));
        }
    }
}

}  // namespace

Frame scale_to_mux(const Frame& source, const Mux& mux, std::vector<uint8_t>& memory) {
    const int chroma_stride = (mux.width + 1) / 2;
    const int chroma_rows = (mux.height + 1) / 2;
    const size_t luma_bytes = static_cast<size_t>(mux.width) * mux.height;
    const size_t chroma_bytes = static_cast<size_t>(chroma_stride) * chroma_rows;
    const Rectangle picture = picture_in(source, mux);
    memory.resize(luma_bytes + 2 * chroma_bytes);
    uint8_t* luma = memory.data();
    uint8_t* cb = luma + luma_bytes;
    uint8_t* cr = cb + chroma_bytes;
    if (picture.width < mux.width || picture.height < mux.height) {
        std::fill_n(luma, luma_bytes, source.full_range ? 0 : 16);
        std::fill_n(cb, 2 * chroma_bytes, 128);
    }
    const int in_width = (source.width + 1) / 2, in_height = (source.height + 1) / 2;
    const int out_width = (picture.width + 1) / 2, out_height = (picture.height + 1) / 2;
    scale_plane({source.luma, source.luma_stride, 1}, source.width,
                make_axis(picture.width, source.width, source.width, 1.0f, 0.0f, true),
                make_axis(picture.height, source.height, source.height, 1.0f, 0.0f, true),
                luma + static_cast<int64_t>(picture.top) * mux.width + picture.left, mux.width);
    const Axis columns = make_axis(out_width, in_width, in_width, 1.0f, 0.0f, true);
    const Axis rows = make_axis(out_height, in_height, in_height, 1.0f, 0.0f, true);
    const int64_t corner = static_cast<int64_t>(picture.top / 2) * chroma_stride + picture.left / 2;
    scale_plane({source.cb, source.chroma_stride, source.chroma_step}, in_width, columns, rows, cb + corner,
                chroma_stride);
    scale_plane({source.cr, source.chroma_stride, source.chroma_step}, in_width, columns, rows, cr + corner,
                chroma_stride);
    return {luma, cb, cr, mux.width, chroma_stride, 1, mux.width, mux.height, source.bt709, source.full_range};
}
