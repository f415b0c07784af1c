// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of TensorRT's NMS plugin: rows [1, K, 7] of image, class, score, box, and the count [1, 1, 1] of those
// in use. The count is data of the engine and may be anything; it is clamped to K. Objects keep the order of the
// rows.
#include "final_boxes.hpp"
#include "output_tensors.hpp"
#include "parser_settings.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomCountedRows";
constexpr std::size_t kColumns = 7;

using Boxes = BoxReader<box_form(kBoxes), kFractions>;

bool check(const char* name, const NvDsInferLayerInfo& layer, unsigned int columns) {
    const NvDsInferDims& dims = layer.inferDims;
    if (dims.d[0] == 1 && dims.d[2] == columns) return true;
    std::fprintf(stderr, "%s: output '%s' is %u x %u x %u, expected 1 x any x %u\n", kParser, name, dims.d[0],
                 dims.d[1], dims.d[2], columns);
    return false;
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    const NvDsInferLayerInfo* counts = find_output(layers, kParser, kCountTensor, 3, true);
    if (counts == nullptr) return false;
    const NvDsInferLayerInfo* found = find_output(layers, kParser, kRowsTensor, 3, false);
    if (found == nullptr || !check(kCountTensor, *counts, 1) || !check(kRowsTensor, *found, kColumns) ||
        !check_rows(kParser, kCountTensor, counts->inferDims.d[1], 1) || !check_params(kParser, network, params)) {
        return false;
    }
    const Matrix rows = {found->buffer, found->inferDims.d[1], kColumns, found->dataType == HALF};
    const List count = {counts->buffer, 1, counts->dataType};
    const std::vector<float>& thresholds = params.perClassPreclusterThreshold;
    const std::size_t detections = clamped_count(number(count, 0), rows.rows);
    for (std::size_t row = 0; row < detections; ++row) {
        std::uint32_t class_id = 0;
        const float score = element(rows, row, 2);
        if (!is_object(element(rows, row, 1), score, thresholds, class_id)) continue;
        Boxes::append(objects, network, class_id, score, rows, row, 3);
    }
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomCountedRows, parse);
