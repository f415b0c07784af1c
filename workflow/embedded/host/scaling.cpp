// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
#include "scaling.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

Filter filter_of(int number) {
    switch (number) {
        case 1:
            return Filter::kBilinear;
        case 2:
            return Filter::kCubic;
        case 3:
            return Filter::kArea;
        default:
            return Filter::kNearest;
    }
}

bool AxisKey::operator==(const AxisKey& other) const {
    return filter == other.filter && source == other.source && target == other.target && samples == other.samples &&
           count == other.count && group == other.group && shift == other.shift;
}

namespace {

// No half-pixel centre: sample floor(i * source / target).
void make_nearest(Axis& axis, const AxisKey& key) {
    for (int i = 0; i < key.count; ++i) {
        const int64_t place = static_cast<int64_t>(i) * key.source / key.target;
        axis.index[i] = static_cast<int32_t>(std::min<int64_t>(place, key.samples - 1));
    }
}

// Position i * source / target - 0.5 in 256ths, as a texture unit has it, between two neighbours; what lies beyond a
// border is the sample at the border.
void make_bilinear(Axis& axis, const AxisKey& key) {
    axis.fraction.resize(key.count);
    for (int i = 0; i < key.count; ++i) {
        const int64_t doubled = 512 * static_cast<int64_t>(i) * key.source + key.target;
        const int64_t place = doubled / (2 * static_cast<int64_t>(key.target)) - 128;
        const int64_t last = static_cast<int64_t>(key.samples - 1) << 8;
        const int64_t inside = std::clamp<int64_t>(place, 0, last);
        axis.index[i] = static_cast<int32_t>(std::min<int64_t>(inside >> 8, std::max(0, key.samples - 2)));
        axis.fraction[i] = static_cast<uint16_t>(inside - (static_cast<int64_t>(axis.index[i]) << 8));
    }
}

// The cubic through four neighbours, half-pixel centres.
void cubic_taps(const AxisKey& key, int i, int32_t* index, float* weight) {
    const double place = (i + 0.5) * key.source / key.target - 0.5;
    const double before = std::floor(place);
    const double f = place - before;
    const double weights[4] = {-f * (f - 1) * (f - 2) / 6, (f + 1) * (f - 1) * (f - 2) / 2, -(f + 1) * f * (f - 2) / 2,
                               (f + 1) * f * (f - 1) / 6};
    for (int tap = 0; tap < 4; ++tap) {
        index[tap] = static_cast<int32_t>(before) - 1 + tap;
        weight[tap] = static_cast<float>(weights[tap]);
    }
}

// The lengths by which [i, i + 1) * source / target overlaps each sample, in float32 because that decides ties.
void area_taps(const AxisKey& key, int taps, int i, int32_t* index, float* weight) {
    const float scale = static_cast<float>(key.source) / static_cast<float>(key.target);
    const float start = static_cast<float>(i) * scale, end = start + scale;
    for (int tap = 0; tap < taps; ++tap) {
        const float sample = std::floor(start) + static_cast<float>(tap);
        index[tap] = static_cast<int32_t>(sample);
        weight[tap] = std::max(0.0f, std::min(sample + 1.0f, end) - std::max(sample, start));
    }
}

void make_weighted(Axis& axis, const AxisKey& key) {
    const int samples = std::max(1, key.samples / key.group);
    const int groups = std::max(1, key.target / (2 * key.group));  // what NPP writes of a chroma row
    axis.weight.resize(axis.index.size());
    for (int i = 0; i < key.count; ++i) {
        int32_t* index = axis.index.data() + static_cast<size_t>(i) * axis.taps;
        float* weight = axis.weight.data() + static_cast<size_t>(i) * axis.taps;
        const int place = i + key.shift;
        const int lane = place % key.group;
        const int group = key.group == 1 ? place : std::min(place / key.group, groups - 1);
        if (key.filter == Filter::kCubic) {
            cubic_taps(key, group, index, weight);
        } else {
            area_taps(key, axis.taps, group, index, weight);
        }
        for (int tap = 0; tap < axis.taps; ++tap) {
            const int inside = std::clamp(index[tap], 0, samples - 1) * key.group + lane;
            index[tap] = std::min(inside, key.samples - 1);
        }
    }
}

int taps_of(const AxisKey& key) {
    switch (key.filter) {
        case Filter::kNearest:
        case Filter::kBilinear:
            return 1;
        case Filter::kCubic:
            return 4;
        default:
            return (key.source + key.target - 1) / key.target + 1;
    }
}

inline uint8_t rounded(float value) {
    return static_cast<uint8_t>(static_cast<int32_t>(std::min(std::max(value, 0.0f), 255.0f) + 0.5f));
}

}  // namespace

Axis make_axis(const AxisKey& key) {
    Axis axis;
    axis.taps = taps_of(key);
    axis.index.resize(static_cast<size_t>(key.count) * axis.taps);
    if (key.filter == Filter::kNearest) {
        make_nearest(axis, key);
    } else if (key.filter == Filter::kBilinear) {
        make_bilinear(axis, key);
    } else {
        make_weighted(axis, key);
    }
    return axis;
}

void PlaneScaler::make_row(int y, uint8_t* output) {
    if (filter_ == Filter::kNearest) {
        nearest(y, output);
    } else if (filter_ == Filter::kBilinear) {
        bilinear(y, output);
    } else {
        weighted(y, output);
    }
}

void PlaneScaler::nearest(int y, uint8_t* output) const {
    const uint8_t* row = plane_.row(rows_.index[y]);
    const int32_t* index = columns_.index.data();
    const int step = plane_.step;
    uint8_t* __restrict out = output;
    for (int i = 0, count = column_count(); i < count; ++i) {
        out[i] = row[index[i] * step];
    }
}

// The two neighbours at each place of a row, the first in the low byte.
void PlaneScaler::gather(const uint8_t* row, std::vector<uint16_t>& pairs) const {
    const int32_t* index = columns_.index.data();
    const int count = column_count();
    const int step = plane_.step, next = plane_.width > 1 ? step : 0;
    if (next == 1) {
        for (int i = 0; i < count; ++i) {
            std::memcpy(&pairs[i], row + index[i], sizeof(uint16_t));  // a little-endian load
        }
        return;
    }
    for (int i = 0; i < count; ++i) {
        const uint8_t* sample = row + index[i] * step;
        pairs[i] = static_cast<uint16_t>(sample[0] | sample[next] << 8);
    }
}

// The four weights are 256ths that add up to 256; only that of the last sample is rounded. The sum is truncated. All
// of it fits 16 bits, of which a vector holds twice as many as of 32.
void PlaneScaler::bilinear(int y, uint8_t* output) {
    const int count = column_count();
    above_.resize(count);
    below_.resize(count);
    const bool is_last = rows_.fraction[y] == 256;  // beyond the last row; 256 * 256 would not fit
    const auto down = static_cast<uint16_t>(is_last ? 0 : rows_.fraction[y]);
    const int next = plane_.height > 1 ? 1 : 0;
    const int bottom = rows_.index[y] + next, top = is_last ? bottom : rows_.index[y];
    if (top == below_row_) {
        above_.swap(below_);
    } else {
        gather(plane_.row(top), above_);
    }
    gather(plane_.row(bottom), below_);
    below_row_ = bottom;
    const uint16_t* __restrict above = above_.data();
    const uint16_t* __restrict below = below_.data();
    const uint16_t* __restrict fraction = columns_.fraction.data();
    uint8_t* __restrict out = output;
    for (int i = 0; i < count; ++i) {
        const uint16_t right = fraction[i];
        const auto both = static_cast<uint16_t>(static_cast<uint16_t>(down * right + 128) >> 8);
        const auto top_left = static_cast<uint16_t>((256 - down - right + both) * (above[i] & 255));
        const auto top_right = static_cast<uint16_t>((right - both) * (above[i] >> 8));
        const auto bottom_left = static_cast<uint16_t>((down - both) * (below[i] & 255));
        const auto bottom_right = static_cast<uint16_t>(both * (below[i] >> 8));
        out[i] = static_cast<uint8_t>(static_cast<uint16_t>(top_left + top_right + bottom_left + bottom_right) >> 8);
    }
}

void PlaneScaler::weighted(int y, uint8_t* output) {
    const int width = plane_.width;
    blended_.assign(width, 0.0f);
    float* blended = blended_.data();
    for (int tap = 0; tap < rows_.taps; ++tap) {
        const uint8_t* row = plane_.row(rows_.index[y * rows_.taps + tap]);
        const float weight = rows_.weight[y * rows_.taps + tap];
        if (weight == 0.0f) {
            continue;
        }
        if (plane_.step == 1) {
            for (int x = 0; x < width; ++x) {
                blended[x] += weight * static_cast<float>(row[x]);
            }
        } else {
            for (int x = 0; x < width; ++x) {
                blended[x] += weight * static_cast<float>(row[x * plane_.step]);
            }
        }
    }
    const int count = column_count();
    sums_.assign(count, 0.0f);
    const int32_t* index = columns_.index.data();
    const float* weight = columns_.weight.data();
    for (int i = 0; i < count; ++i) {
        for (int tap = 0; tap < columns_.taps; ++tap) {
            sums_[i] += *weight++ * blended[*index++];
        }
    }
    const float* sums = sums_.data();
    uint8_t* __restrict out = output;
    for (int i = 0; i < count; ++i) {
        out[i] = rounded(sums[i] * gain_);
    }
}

const Axis& AxisCache::get(Name name, const AxisKey& key) {
    if (!(keys_[name] == key)) {
        axes_[name] = make_axis(key);
        keys_[name] = key;
    }
    return axes_[name];
}

namespace {

// The even part of a side, and of a side of 1 all of it.
int even_part(int side) { return std::max(1, side & ~1); }
int halved(int side) { return std::max(1, side / 2); }

struct Scale {
    Filter filter;
    int source_width, source_height;
    int left, width, height;

    bool is_weighted() const { return filter == Filter::kCubic || filter == Filter::kArea; }
    int columns() const { return is_weighted() ? width : width & ~1; }
    int rows() const { return is_weighted() ? height : height & ~1; }
    float gain() const {
        const float x = static_cast<float>(source_width) / static_cast<float>(width);
        const float y = static_cast<float>(source_height) / static_cast<float>(height);
        return filter == Filter::kArea ? 1.0f / (x * y) : 1.0f;
    }
    AxisKey luma_columns() const { return {filter, source_width, width, source_width, columns(), 1, 0}; }
    AxisKey luma_rows() const { return {filter, source_height, height, source_height, rows(), 1, 0}; }
    // The NPP filters scale interleaved chroma as pixels of four bytes: two neighbours move together, and a row
    // begins at a pixel, which is one sample too early where the rectangle begins between two.
    AxisKey chroma_columns() const {
        const int shift = is_weighted() ? (left >> 1) & 1 : 0;
        return {filter, source_width, width, halved(source_width), (columns() + 1) / 2, is_weighted() ? 2 : 1, shift};
    }
    AxisKey chroma_rows() const {
        const int count = is_weighted() ? (rows() + 1) / 2 : rows() / 2;
        return {filter, source_height, height, halved(source_height), count, 1, 0};
    }
};

}  // namespace

ScaledPicture scale(AxisCache& axes, const Frame& frame, Filter filter, int left, int width, int height) {
    const Scale scale{filter, even_part(frame.width), even_part(frame.height), left, width, height};
    const Axis& columns = axes.get(AxisCache::kChromaColumns, scale.chroma_columns());
    const Axis& rows = axes.get(AxisCache::kChromaRows, scale.chroma_rows());
    const Plane luma{frame.luma, frame.luma_stride, 1, scale.source_width, scale.source_height};
    const int chroma_width = halved(scale.source_width), chroma_height = halved(scale.source_height);
    const Plane cb{frame.cb, frame.chroma_stride, frame.chroma_step, chroma_width, chroma_height};
    const Plane cr{frame.cr, frame.chroma_stride, frame.chroma_step, chroma_width, chroma_height};
    const float gain = scale.gain();
    return {{filter, luma, axes.get(AxisCache::kLumaColumns, scale.luma_columns()),
             axes.get(AxisCache::kLumaRows, scale.luma_rows()), gain},
            {filter, cb, columns, rows, gain},
            {filter, cr, columns, rows, gain}};
}
