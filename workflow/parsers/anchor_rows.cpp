// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of YOLOv8-like detectors exported with one row for each anchor: [N, 4 + C], centre x, centre y, width, height
// in network pixels, and the final score of each class.
//
// As the reference post-processing does before it clusters, a row whose best class scores above the threshold of that
// class is one object; among equal scores the first class is the best, and NaN never is. Objects are in tensor order.
#include "anchors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomAnchorRows";

constexpr std::size_t kBoxColumns = 4;

template <typename Number>
void append_all(Objects& objects, const NvDsInferNetworkInfo& network, const Matrix& rows, const Number* row,
                const std::vector<float>& thresholds) {
    Ordered<Number> bound;
    order_below(least_threshold(thresholds), bound);
    const std::size_t classes = thresholds.size();
    for (std::size_t n = 0; n < rows.rows; ++n, row += rows.columns) {
        const Number* scores = row + kBoxColumns;
        if (!any_above(scores, classes, bound)) continue;
        const BestClass best = best_class(scores, classes);
        if (!(best.score > thresholds[best.class_id])) continue;
        append_centred(objects, network, best.class_id, best.score, as_float(row[0]), as_float(row[1]),
                       as_float(row[2]), as_float(row[3]));
    }
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix rows = {};
    if (!find_matrix(layers, kParser, kRowsTensor, rows) ||
        !check_anchor(kParser, kRowsTensor, rows.columns, kBoxColumns, network, params)) {
        return false;
    }
    with_numbers(rows, [&](const auto* numbers) {
        append_all(objects, network, rows, numbers, params.perClassPreclusterThreshold);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomAnchorRows, parse);
