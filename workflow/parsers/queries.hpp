// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// What the parsers of query detectors share: logits [Q, K] beside boxes [Q, 4], which are centre x, centre y,
// width, height as fractions of the network input.
#pragma once

#include "detection_parser.hpp"

namespace detection_parser {

struct Queries {
    Matrix logits;
    Matrix boxes;
};

// Finds both tensors and checks them against each other and against what nvinfer is configured for, where the
// last `background_columns` of the logits are no classes. Says on stderr what is wrong.
inline bool find_queries(const Layers& layers, const NvDsInferNetworkInfo& network,
                         const NvDsInferParseDetectionParams& params, const char* parser, const char* logits,
                         const char* boxes, std::size_t background_columns, Queries& queries) {
    if (!find_matrix(layers, parser, logits, queries.logits) || !find_matrix(layers, parser, boxes, queries.boxes)) {
        return false;
    }
    if (queries.boxes.columns != 4 || queries.boxes.rows != queries.logits.rows) {
        std::fprintf(stderr, "%s: %s is %zu x %zu, expected %zu x 4\n", parser, boxes, queries.boxes.rows,
                     queries.boxes.columns, queries.logits.rows);
        return false;
    }
    if (queries.logits.columns <= background_columns) {
        std::fprintf(stderr, "%s: %s has %zu columns, of which %zu are background\n", parser, logits,
                     queries.logits.columns, background_columns);
        return false;
    }
    return check_classes(parser, logits, queries.logits.columns - background_columns, params) &&
           check_network(parser, network);
}

// Appends the box of one query as an object.
inline void append_query(Objects& objects, const NvDsInferNetworkInfo& network, const Matrix& boxes, std::size_t query,
                         std::size_t class_id, float confidence) {
    const float width = static_cast<float>(network.width);
    const float height = static_cast<float>(network.height);
    const float x = element(boxes, query, 0);
    const float y = element(boxes, query, 1);
    const float half_width = element(boxes, query, 2) * 0.5F;
    const float half_height = element(boxes, query, 3) * 0.5F;
    append_box(objects, network, static_cast<std::uint32_t>(class_id), confidence, (x - half_width) * width,
               (y - half_height) * height, (x + half_width) * width, (y + half_height) * height);
}

}  // namespace detection_parser
