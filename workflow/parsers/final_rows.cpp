// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of detections that are final in the graph: rows [N, 6] of box, score, class (YOLOv10 and YOLO26
// end-to-end, Ultralytics RT-DETR, DeepStream-Yolo exports). A class that is no whole number of a known class is
// no object; unused rows have the score 0. Objects keep the order of the rows.
#include "final_boxes.hpp"
#include "output_tensors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomFinalRows";

using Boxes = BoxReader<box_form(kBoxes), kFractions>;

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix rows = {};
    if (!find_matrix(layers, kParser, kRowsTensor, rows) || !check_columns(kParser, kRowsTensor, rows, 6) ||
        !check_params(kParser, network, params)) {
        return false;
    }
    const std::vector<float>& thresholds = params.perClassPreclusterThreshold;
    for (std::size_t row = 0; row < rows.rows; ++row) {
        std::uint32_t class_id = 0;
        const float score = element(rows, row, 4);
        if (!is_object(element(rows, row, 5), score, thresholds, class_id)) continue;
        Boxes::append(objects, network, class_id, score, rows, row, 0);
    }
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomFinalRows, parse);
