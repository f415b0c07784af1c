// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
#include "streammux.hpp"

#include <algorithm>

#include "rgb_rows.hpp"

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

// Rows of the surface's planes, from the corner of the picture on.
struct Surface {
    uint8_t *luma, *cb, *cr;
    int luma_stride, chroma_stride;
};

void mix(const Mixture& mixture, const RgbRows& rows, int step, uint8_t* __restrict output) {
    const float *red = rows.red.data(), *green = rows.green.data(), *blue = rows.blue.data();
    for (int i = 0, count = rows.columns() / step; i < count; ++i) {
        output[i] = mixture.level(red[i * step], green[i * step], blue[i * step]);
    }
}

// The library scales through RGB: 8 bits, truncated both ways, chroma from the first pixel of each block.
void write_through_rgb(const ScaledPicture& picture, const Colours& colours, Surface surface) {
    RgbRows rows(picture, colours);
    for (int y = 0; y < rows.rows(); ++y, surface.luma += surface.luma_stride) {
        rows.load(y);
        mix(colours.luma, rows, 1, surface.luma);
        if (y % 2 == 0) {
            mix(colours.cb, rows, 2, surface.cb);
            mix(colours.cr, rows, 2, surface.cr);
            surface.cb += surface.chroma_stride;
            surface.cr += surface.chroma_stride;
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
    const bool is_odd = (picture.width | picture.height) & 1;
    if (picture.width < mux.width || picture.height < mux.height || is_odd) {
        std::fill_n(luma, luma_bytes, source.full_range ? 0 : 16);
        std::fill_n(cb, 2 * chroma_bytes, 128);
    }
    const int64_t corner = static_cast<int64_t>(picture.top / 2) * chroma_stride + picture.left / 2;
    thread_local AxisCache axes;  // each source has a thread of its own
    write_through_rgb(scale(axes, source, Filter::kBilinear, picture.left, picture.width, picture.height),
                      Colours(source),
                      {luma + static_cast<int64_t>(picture.top) * mux.width + picture.left, cb + corner, cr + corner,
                       mux.width, chroma_stride});
    return {luma, cb, cr, mux.width, chroma_stride, 1, mux.width, mux.height, source.bt709, source.full_range};
}
