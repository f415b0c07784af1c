// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of detectors with one row for each anchor (YOLOv3, v5, v6, v7, decoded YOLOX): [N, 5 + C], centre x,
// centre y, width, height in network pixels, objectness, and the score of each class of what is an object.
//
// As the reference post-processing does before it clusters, a row whose best class has an objectness x score above the
// threshold of that class is one object; among equal scores the first class is the best, and NaN never is. Objects are
// in tensor order.
#include "anchors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomObjectnessRows";

constexpr std::size_t kObjectness = 4;

// Class scores are at most 1, so the objectness alone ends nearly every row.
template <typename Number>
void append_all(Objects& objects, const NvDsInferNetworkInfo& network, const Matrix& rows, const Number* row,
                const std::vector<float>& thresholds) {
    Ordered<Number> bound;
    order_below(least_threshold(thresholds), bound);
    for (std::size_t n = 0; n < rows.rows; ++n, row += rows.columns) {
        if (!(ordered(row[kObjectness]) > bound)) continue;
        const BestClass best = best_class(row + kObjectness + 1, thresholds.size());
        const float score = as_float(row[kObjectness]) * best.score;
        if (!(score > thresholds[best.class_id])) continue;
        append_centred(objects, network, best.class_id, score, as_float(row[0]), as_float(row[1]), as_float(row[2]),
                       as_float(row[3]));
    }
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix rows = {};
    if (!find_matrix(layers, kParser, kRowsTensor, rows) ||
        !check_anchor(kParser, kRowsTensor, rows.columns, kObjectness + 1, network, params)) {
        return false;
    }
    with_numbers(rows, [&](const auto* numbers) {
        append_all(objects, network, rows, numbers, params.perClassPreclusterThreshold);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomObjectnessRows, parse);
