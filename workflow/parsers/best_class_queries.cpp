// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of query detectors that give each query its best class by sigmoid (OWL-ViT, OWLv2, Grounding DINO, each
// with its prompt in the graph): logits [Q, C] and boxes [Q, 4].
//
// As the reference post-processing does, a query whose best class scores above the threshold of that class is one
// object; among equal scores the first class is the best. A query with a NaN is none. Objects are in tensor order.
#include "parser_settings.hpp"
#include "queries.hpp"
#include "thresholds.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomBestClassQueries";

struct Best {
    float logit;
    std::size_t class_id;
};

// The first of a row's greatest logits; its logit is NaN where any is.
template <typename Number>
Best best_of(const Number* row, std::size_t classes) {
    Best best = {as_float(row[0]), 0};
    for (std::size_t c = 0; c < classes; ++c) {
        const float logit = as_float(row[c]);
        if (std::isnan(logit)) return {logit, c};
        if (logit > best.logit) best = {logit, c};
    }
    return best;
}

// A row whose best class is above its threshold has a logit above its threshold, so the scan ends most rows.
template <typename Number>
void append_all(Objects& objects, const NvDsInferNetworkInfo& network, const Queries& queries, const Number* row,
                const std::vector<float>& scores) {
    const Thresholds<Number> thresholds = logit_thresholds<Number>(scores, 0);
    const std::size_t classes = queries.logits.columns;
    for (std::size_t query = 0; query < queries.logits.rows; ++query, row += classes) {
        if (!may_exceed(row, thresholds)) continue;
        const Best best = best_of(row, classes);
        if (!(best.logit > thresholds.exact[best.class_id])) continue;
        append_query(objects, network, queries.boxes, query, best.class_id, sigmoid(best.logit));
    }
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Queries queries = {};
    if (!find_queries(layers, network, params, kParser, kLogitsTensor, kBoxesTensor, 0, queries)) return false;
    with_numbers(queries.logits, [&](const auto* numbers) {
        append_all(objects, network, queries, numbers, params.perClassPreclusterThreshold);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomBestClassQueries, parse);
