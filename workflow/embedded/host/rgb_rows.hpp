// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
#ifndef DSEMBED_RGB_ROWS_HPP
#define DSEMBED_RGB_ROWS_HPP

#include <vector>

#include "colour.hpp"
#include "scaling.hpp"

// The rows of a scaled picture as RGB, one after the other from the first: whole numbers from 0 to 255.
class RgbRows {
public:
    RgbRows(const ScaledPicture& picture, const Colours& colours)
        : red(picture.luma.column_count()), green(red.size()), blue(red.size()), picture_(picture), colours_(colours),
          luma_(red.size()), cb_((red.size() + 1) / 2), cr_(cb_.size()), chroma_red_(2 * cb_.size()),
          chroma_green_(2 * cb_.size()), chroma_blue_(2 * cb_.size()) {}

    int columns() const { return picture_.luma.column_count(); }
    int rows() const { return picture_.luma.row_count(); }

    void load(int y) {
        picture_.luma.make_row(y, luma_.data());
        if (y % 2 == 0) {
            picture_.cb.make_row(y / 2, cb_.data());
            picture_.cr.make_row(y / 2, cr_.data());
            spread_chroma(0.0f, colours_.red_cr, chroma_red_);
            spread_chroma(colours_.green_cb, colours_.green_cr, chroma_green_);
            spread_chroma(colours_.blue_cb, 0.0f, chroma_blue_);
        }
        add(chroma_red_, red);
        add(chroma_green_, green);
        add(chroma_blue_, blue);
    }

    std::vector<float> red, green, blue;

private:
    // What chroma adds to a channel of both pixels that it belongs to.
    void spread_chroma(float cb_gain, float cr_gain, std::vector<float>& channel) const {
        const uint8_t *cb = cb_.data(), *cr = cr_.data();
        float* __restrict out = channel.data();
        const float lift = colours_.lift;
        for (size_t i = 0, count = cb_.size(); i < count; ++i) {
            const float b = static_cast<float>(cb[i]) - 128.0f, r = static_cast<float>(cr[i]) - 128.0f;
            const float added = cb_gain * b + cr_gain * r + lift;
            out[2 * i] = added;
            out[2 * i + 1] = added;
        }
    }

    void add(const std::vector<float>& chroma, std::vector<float>& channel) const {
        const uint8_t* luma = luma_.data();
        const float* added = chroma.data();
        float* __restrict out = channel.data();
        for (size_t x = 0, count = channel.size(); x < count; ++x) {
            out[x] = truncated(colours_.grey(luma[x]) + added[x]);
        }
    }

    ScaledPicture picture_;
    Colours colours_;
    std::vector<uint8_t> luma_, cb_, cr_;
    std::vector<float> chroma_red_, chroma_green_, chroma_blue_;
};

#endif
