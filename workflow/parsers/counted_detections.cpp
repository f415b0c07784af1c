// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of an NMS inside the graph with four outputs (EfficientNMS, BatchedNMS): a count [1], boxes [K, 4],
// scores [K], classes [K]. The count is data of the engine and may be anything; it is clamped to K. Objects keep
// the order of the rows.
#include "final_boxes.hpp"
#include "output_tensors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomCountedDetections";

using Boxes = BoxReader<box_form(kBoxes), kFractions>;

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    List count = {};
    Matrix boxes = {};
    List scores = {};
    List labels = {};
    if (!find_labels(layers, kParser, kCountTensor, count) || !find_matrix(layers, kParser, kBoxesTensor, boxes) ||
        !find_scores(layers, kParser, kScoresTensor, scores) || !find_labels(layers, kParser, kLabelsTensor, labels) ||
        !check_rows(kParser, kCountTensor, count.size, 1) || !check_columns(kParser, kBoxesTensor, boxes, 4) ||
        !check_rows(kParser, kScoresTensor, scores.size, boxes.rows) ||
        !check_rows(kParser, kLabelsTensor, labels.size, boxes.rows) || !check_params(kParser, network, params)) {
        return false;
    }
    const std::vector<float>& thresholds = params.perClassPreclusterThreshold;
    const std::size_t detections = clamped_count(number(count, 0), boxes.rows);
    for (std::size_t row = 0; row < detections; ++row) {
        std::uint32_t class_id = 0;
        const float score = static_cast<float>(number(scores, row));
        if (!is_object(number(labels, row), score, thresholds, class_id)) continue;
        Boxes::append(objects, network, class_id, score, boxes, row, 0);
    }
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomCountedDetections, parse);
