// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of detections that are final in two outputs (MMDetection): rows [N, 5] of a box and its score, and
// labels [N]. Unused rows have the score 0 or the label -1. Objects keep the order of the rows.
#include "final_boxes.hpp"
#include "output_tensors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomScoredBoxesLabels";

using Boxes = BoxReader<box_form(kBoxes), kFractions>;

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix rows = {};
    List labels = {};
    if (!find_matrix(layers, kParser, kRowsTensor, rows) || !find_labels(layers, kParser, kLabelsTensor, labels) ||
        !check_columns(kParser, kRowsTensor, rows, 5) || !check_rows(kParser, kLabelsTensor, labels.size, rows.rows) ||
        !check_params(kParser, network, params)) {
        return false;
    }
    const std::vector<float>& thresholds = params.perClassPreclusterThreshold;
    for (std::size_t row = 0; row < rows.rows; ++row) {
        std::uint32_t class_id = 0;
        const float score = element(rows, row, 4);
        if (!is_object(number(labels, row), score, thresholds, class_id)) continue;
        Boxes::append(objects, network, class_id, score, rows, row, 0);
    }
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomScoredBoxesLabels, parse);
