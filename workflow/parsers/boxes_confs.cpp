// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of YOLOv4 as pytorch-YOLOv4 exports it: boxes [N, 1, 4], left, top, right, bottom as fractions of the network,
// and confs [N, C], the final score of each class.
//
// As the reference post-processing does before it clusters, a row whose best class scores above the threshold of that
// class is one object; among equal scores the first class is the best, and NaN never is. Objects are in tensor order.
#include "anchors.hpp"
#include "output_tensors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomBoxesConfs";

// Finds the boxes and gives them without their axis of one. Says on stderr what is wrong.
bool find_boxes(const Layers& layers, Matrix& boxes) {
    Grid grid = {};
    if (!find_grid(layers, kParser, kBoxesTensor, grid)) return false;
    if (grid.rows != 1 || grid.columns != 4) {
        std::fprintf(stderr, "%s: %s is %zu x %zu x %zu, expected N x 1 x 4\n", kParser, kBoxesTensor, grid.planes,
                     grid.rows, grid.columns);
        return false;
    }
    boxes = {grid.data, grid.planes, grid.columns, grid.is_half};
    return true;
}

template <typename Number>
void append_all(Objects& objects, const NvDsInferNetworkInfo& network, const Matrix& boxes, const Matrix& confs,
                const Number* row, const std::vector<float>& thresholds) {
    Ordered<Number> bound;
    order_below(least_threshold(thresholds), bound);
    const float width = static_cast<float>(network.width);
    const float height = static_cast<float>(network.height);
    for (std::size_t n = 0; n < confs.rows; ++n, row += confs.columns) {
        if (!any_above(row, confs.columns, bound)) continue;
        const BestClass best = best_class(row, confs.columns);
        if (!(best.score > thresholds[best.class_id])) continue;
        append_box(objects, network, static_cast<std::uint32_t>(best.class_id), best.score,
                   element(boxes, n, 0) * width, element(boxes, n, 1) * height, element(boxes, n, 2) * width,
                   element(boxes, n, 3) * height);
    }
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix boxes = {};
    Matrix confs = {};
    if (!find_boxes(layers, boxes) || !find_matrix(layers, kParser, kConfsTensor, confs)) return false;
    if (!check_rows(kParser, kBoxesTensor, boxes.rows, confs.rows) ||
        !check_anchor(kParser, kConfsTensor, confs.columns, 0, network, params)) {
        return false;
    }
    with_numbers(confs, [&](const auto* numbers) {
        append_all(objects, network, boxes, confs, numbers, params.perClassPreclusterThreshold);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomBoxesConfs, parse);
