// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of query detectors with one sigmoid for each class and no background behind them (RT-DETR and its
// relatives): logits [Q, C] and boxes [Q, 4].
//
// As the reference post-processing does, every (query, class) whose score is above the threshold of its class
// is an object, at most kTopK of them (Q where that is 0), best first. Equal scores keep tensor order, so the
// result is reproducible. Classes before kFirstClass are background and never objects.
#include "parser_settings.hpp"
#include "queries.hpp"
#include "thresholds.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomSigmoidQueries";

constexpr std::size_t kReserved = 128;

struct Candidate {
    float logit;
    std::size_t index;  // query * classes + class
};

bool better(const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.index < b.index);
}

// Comparing raw logits costs no exp, and most rows end with the scan. NaN compares false and is never a candidate.
template <typename Number>
std::vector<Candidate> collect(const Matrix& logits, const Number* row, const std::vector<float>& scores) {
    const Thresholds<Number> thresholds = logit_thresholds<Number>(scores, kFirstClass);
    const std::size_t classes = logits.columns;
    std::vector<Candidate> candidates;
    candidates.reserve(kReserved);
    for (std::size_t query = 0; query < logits.rows; ++query, row += classes) {
        if (!may_exceed(row, thresholds)) continue;
        for (std::size_t c = 0; c < classes; ++c) {
            const float logit = as_float(row[c]);
            if (logit > thresholds.exact[c]) candidates.push_back({logit, query * classes + c});
        }
    }
    return candidates;
}

void keep_best(std::vector<Candidate>& candidates, std::size_t count) {
    if (candidates.size() > count) {
        std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count), candidates.end(),
                         better);
        candidates.resize(count);
    }
    std::sort(candidates.begin(), candidates.end(), better);
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Queries queries = {};
    if (!find_queries(layers, network, params, kParser, kLogitsTensor, kBoxesTensor, 0, queries)) return false;
    const Matrix& logits = queries.logits;
    std::vector<Candidate> candidates = with_numbers(
        logits, [&](const auto* numbers) { return collect(logits, numbers, params.perClassPreclusterThreshold); });
    keep_best(candidates, kTopK > 0 ? static_cast<std::size_t>(kTopK) : logits.rows);
    objects.reserve(objects.size() + candidates.size());
    for (const Candidate& candidate : candidates) {
        append_query(objects, network, queries.boxes, candidate.index / logits.columns,
                     candidate.index % logits.columns, sigmoid(candidate.logit));
    }
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomSigmoidQueries, parse);
