// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of detectors that give each side of a box as a distribution over distances (NanoDet-Plus, PicoDet):
// [N, C + 32], a row for each grid cell, the final score of each class, then 8 bins for each of left, top, right and
// bottom.
//
// A side is the expected bin (softmax) x stride away from the point (cell + kCellOffset) x stride. A row whose best
// class scores above the threshold of that class is one object; among equal scores the first class is the best, and
// NaN never is. Objects are in tensor order.
#include "anchors.hpp"
#include "grid.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomDistanceBins";

constexpr std::size_t kBins = 8;
constexpr std::size_t kSides = 4;
constexpr unsigned int kStrides[] = {8, 16, 32, 64};

// The expectation of the softmax over one side's bins.
template <typename Number>
float expected_bin(const Number* bins) {
    float greatest = as_float(bins[0]);
    for (std::size_t b = 1; b < kBins; ++b) greatest = std::max(greatest, as_float(bins[b]));
    float sum = 0.0F;
    float moment = 0.0F;
    for (std::size_t b = 0; b < kBins; ++b) {
        const float power = std::exp(as_float(bins[b]) - greatest);
        sum += power;
        moment += power * static_cast<float>(b);
    }
    return moment / sum;
}

template <typename Number>
void append_all(Objects& objects, const NvDsInferNetworkInfo& network, const Matrix& rows, const Number* next,
                const std::vector<float>& thresholds) {
    Ordered<Number> bound;
    order_below(least_threshold(thresholds), bound);
    const std::size_t classes = thresholds.size();
    visit_cells(network, kStrides, [&](float column, float line, float stride) {
        const Number* row = next;
        next += rows.columns;
        if (!any_above(row, classes, bound)) return;
        const BestClass best = best_class(row, classes);
        if (!(best.score > thresholds[best.class_id])) return;
        const Number* bins = row + classes;
        const float x = (column + kCellOffset) * stride;
        const float y = (line + kCellOffset) * stride;
        append_box(objects, network, static_cast<std::uint32_t>(best.class_id), best.score,
                   x - expected_bin(bins) * stride, y - expected_bin(bins + kBins) * stride,
                   x + expected_bin(bins + 2 * kBins) * stride, y + expected_bin(bins + 3 * kBins) * stride);
    });
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix rows = {};
    if (!find_matrix(layers, kParser, kRowsTensor, rows) ||
        !check_anchor(kParser, kRowsTensor, rows.columns, kSides * kBins, network, params) ||
        !check_grid(kParser, kRowsTensor, rows.rows, network, kStrides)) {
        return false;
    }
    with_numbers(rows, [&](const auto* numbers) {
        append_all(objects, network, rows, numbers, params.perClassPreclusterThreshold);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomDistanceBins, parse);
