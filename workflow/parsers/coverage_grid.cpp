// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of TAO DetectNet_v2: coverage [C, h, w], one final score for each cell and class, and boxes [4 C, h, w],
// the distances of left, top, right, bottom from the cell's centre, divided by kBoxNorm. A cell is
// ceil(network / grid) pixels wide and high, its centre kCentre pixels behind its first corner.
#include "final_boxes.hpp"
#include "output_tensors.hpp"
#include "parser_settings.hpp"
#include "thresholds.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomCoverageGrid";

struct Cell {
    float width;
    float height;
};

float value(const Grid& grid, std::size_t index) {
    return with_numbers(grid, [index](const auto* numbers) { return as_float(numbers[index]); });
}

// Appends the box of the cell at `index` of its class's planes; its four distances lie a whole plane apart.
void append_cell(Objects& objects, const NvDsInferNetworkInfo& network, const Grid& boxes, const Cell& cell,
                 std::size_t class_id, std::size_t index, float score) {
    const std::size_t plane = boxes.rows * boxes.columns;
    const std::size_t first = class_id * 4 * plane + index;
    const float x = static_cast<float>(index % boxes.columns) * cell.width + kCentre;
    const float y = static_cast<float>(index / boxes.columns) * cell.height + kCentre;
    append_box(objects, network, static_cast<std::uint32_t>(class_id), score, x - value(boxes, first) * kBoxNorm,
               y - value(boxes, first + plane) * kBoxNorm, x + value(boxes, first + 2 * plane) * kBoxNorm,
               y + value(boxes, first + 3 * plane) * kBoxNorm);
}

// Coverage is walked a row of cells at a time along memory; boxes are read only where it is above the threshold.
template <typename Number>
void decode(const Grid& coverage, const Number* numbers, const Grid& boxes, const NvDsInferNetworkInfo& network,
            const std::vector<float>& thresholds, Objects& objects) {
    const std::size_t plane = coverage.rows * coverage.columns;
    const Cell cell = {static_cast<float>((network.width - 1) / coverage.columns + 1),
                       static_cast<float>((network.height - 1) / coverage.rows + 1)};
    for (std::size_t c = 0; c < coverage.planes; ++c) {
        const Number* scores = numbers + c * plane;
        Ordered<Number> bound;
        order_below(thresholds[c], bound);
        for (std::size_t start = 0; start < plane; start += coverage.columns) {
            const std::size_t end = start + coverage.columns;
            int hit = 0;
            for (std::size_t i = start; i < end; ++i) hit |= ordered(scores[i]) > bound ? 1 : 0;
            if (hit == 0) continue;
            for (std::size_t i = start; i < end; ++i) {
                const float score = as_float(scores[i]);
                if (exceeds(score, thresholds[c])) append_cell(objects, network, boxes, cell, c, i, score);
            }
        }
    }
}

bool check(const Grid& coverage, const Grid& boxes) {
    if (boxes.planes == 4 * coverage.planes && boxes.rows == coverage.rows && boxes.columns == coverage.columns) {
        return true;
    }
    std::fprintf(stderr, "%s: output '%s' is %zu x %zu x %zu, expected %zu x %zu x %zu\n", kParser, kBoxesTensor,
                 boxes.planes, boxes.rows, boxes.columns, 4 * coverage.planes, coverage.rows, coverage.columns);
    return false;
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Grid coverage = {};
    Grid boxes = {};
    if (!find_grid(layers, kParser, kCoverageTensor, coverage) || !find_grid(layers, kParser, kBoxesTensor, boxes) ||
        !check(coverage, boxes) || !check_classes(kParser, kCoverageTensor, coverage.planes, params) ||
        !check_network(kParser, network)) {
        return false;
    }
    with_numbers(coverage, [&](const auto* numbers) {
        decode(coverage, numbers, boxes, network, params.perClassPreclusterThreshold, objects);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomCoverageGrid, parse);
