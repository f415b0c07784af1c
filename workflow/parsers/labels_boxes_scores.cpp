// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of detections that are final in three outputs (RT-DETR, D-FINE and DEIM as their authors export them, and
// DeepStream-Yolo's earlier scripts): labels [N] or [N, 1], boxes [N, 4], scores [N] or [N, 1]. Objects keep the order
// of the rows.
#include "final_boxes.hpp"
#include "output_tensors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomLabelsBoxesScores";

using Boxes = BoxReader<box_form(kBoxes), kFractions>;

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    List labels = {};
    Matrix boxes = {};
    List scores = {};
    if (!find_labels(layers, kParser, kLabelsTensor, labels, column_dims(layers, kLabelsTensor)) ||
        !find_matrix(layers, kParser, kBoxesTensor, boxes) ||
        !find_scores(layers, kParser, kScoresTensor, scores, column_dims(layers, kScoresTensor)) ||
        !check_columns(kParser, kBoxesTensor, boxes, 4) ||
        !check_rows(kParser, kLabelsTensor, labels.size, boxes.rows) ||
        !check_rows(kParser, kScoresTensor, scores.size, boxes.rows) || !check_params(kParser, network, params)) {
        return false;
    }
    const std::vector<float>& thresholds = params.perClassPreclusterThreshold;
    for (std::size_t row = 0; row < boxes.rows; ++row) {
        std::uint32_t class_id = 0;
        const float score = static_cast<float>(number(scores, row));
        if (!is_object(number(labels, row), score, thresholds, class_id)) continue;
        Boxes::append(objects, network, class_id, score, boxes, row, 0);
    }
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomLabelsBoxesScores, parse);
