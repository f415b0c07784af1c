// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// How NvBufSurfTransform scales an NV12 picture on a GPU, as measured: docs/pixels.md says how exactly.
#ifndef DSEMBED_SCALING_HPP
#define DSEMBED_SCALING_HPP

#include <cstdint>
#include <vector>

#include "interface.hpp"

enum class Filter { kNearest, kBilinear, kCubic, kArea };

// What `scaling-filter` or `interpolation-method` asks for; 6, the default, is nearest.
Filter filter_of(int number);

// Which source samples each output sample is made of: `taps` of them one after the other.
struct Axis {
    int taps = 1;
    std::vector<int32_t> index;
    std::vector<float> weight;       // of each tap; cubic and area
    std::vector<uint16_t> fraction;  // 256ths of the sample behind; bilinear
};

// An axis of `count` output samples over `samples` source samples, at a scale of `source` to `target` pixels. With
// a `group` of 2, samples at even and at odd places are two axes of their own.
struct AxisKey {
    Filter filter;
    int source, target, samples, count, group, shift;

    bool operator==(const AxisKey& other) const;
};

Axis make_axis(const AxisKey& key);

struct Plane {
    const uint8_t* samples;
    int stride, step;  // bytes
    int width, height;

    const uint8_t* row(int y) const { return samples + static_cast<int64_t>(y) * stride; }
};

// Makes rows of one plane at its new size.
class PlaneScaler {
public:
    PlaneScaler(Filter filter, const Plane& plane, const Axis& columns, const Axis& rows, float gain)
        : filter_(filter), plane_(plane), columns_(columns), rows_(rows), gain_(gain) {}

    int row_count() const { return static_cast<int>(rows_.index.size()) / rows_.taps; }
    int column_count() const { return static_cast<int>(columns_.index.size()) / columns_.taps; }
    void make_row(int y, uint8_t* output);

private:
    void nearest(int y, uint8_t* output) const;
    void gather(const uint8_t* row, std::vector<uint16_t>& pairs) const;
    void bilinear(int y, uint8_t* output);
    void weighted(int y, uint8_t* output);

    Filter filter_;
    Plane plane_;
    const Axis &columns_, &rows_;
    float gain_;
    std::vector<uint16_t> above_, below_;  // of one row to the next, many are the same
    int below_row_ = -1;
    std::vector<float> blended_, sums_;
};

// Axes that are made anew only when sizes change, which those of a video seldom do.
class AxisCache {
public:
    enum Name { kLumaColumns, kLumaRows, kChromaColumns, kChromaRows, kCount };

    const Axis& get(Name name, const AxisKey& key);

private:
    AxisKey keys_[kCount]{};
    Axis axes_[kCount];
};

struct ScaledPicture {
    PlaneScaler luma, cb, cr;
};

// The planes of `frame`, its even part, scaled to `width` x `height` pixels whose first column is `left`; valid as
// long as the frame and until the next picture of this cache. There is one chroma sample for each 2x2 block, counted
// from the picture's corner. Nearest and bilinear leave an odd last row or column out.
ScaledPicture scale(AxisCache& axes, const Frame& frame, Filter filter, int left, int width, int height);

#endif
