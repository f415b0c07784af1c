// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of detectors with one row for each grid cell and boxes in units of the cell (YOLOX as it is exported):
// [N, 5 + C], offset x, offset y, logarithm of width and height, objectness, and the score of each class.
//
// A centre is (offset + cell) x stride, a side exp(value) x stride. As the reference post-processing does before it
// clusters, a row whose best class has an objectness x score above the threshold of that class is one object; among
// equal scores the first class is the best, and NaN never is. Objects are in tensor order.
#include "anchors.hpp"
#include "grid.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomGridRows";

constexpr std::size_t kObjectness = 4;
constexpr unsigned int kStrides[] = {8, 16, 32};

// Class scores are at most 1, so the objectness alone ends nearly every row.
template <typename Number>
void append_all(Objects& objects, const NvDsInferNetworkInfo& network, const Matrix& rows, const Number* next,
                const std::vector<float>& thresholds) {
    Ordered<Number> bound;
    order_below(least_threshold(thresholds), bound);
    visit_cells(network, kStrides, [&](float column, float line, float stride) {
        const Number* row = next;
        next += rows.columns;
        if (!(ordered(row[kObjectness]) > bound)) return;
        const BestClass best = best_class(row + kObjectness + 1, thresholds.size());
        const float score = as_float(row[kObjectness]) * best.score;
        if (!(score > thresholds[best.class_id])) return;
        append_centred(objects, network, best.class_id, score, (as_float(row[0]) + column) * stride,
                       (as_float(row[1]) + line) * stride, std::exp(as_float(row[2])) * stride,
                       std::exp(as_float(row[3])) * stride);
    });
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix rows = {};
    if (!find_matrix(layers, kParser, kRowsTensor, rows) ||
        !check_anchor(kParser, kRowsTensor, rows.columns, kObjectness + 1, network, params) ||
        !check_grid(kParser, kRowsTensor, rows.rows, network, kStrides)) {
        return false;
    }
    with_numbers(rows, [&](const auto* numbers) {
        append_all(objects, network, rows, numbers, params.perClassPreclusterThreshold);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomGridRows, parse);
