// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of query detectors with a softmax over C classes and the background behind them (DETR, YOLOS, Table
// Transformer): logits [Q, C + 1] and boxes [Q, 4].
//
// As the reference post-processing does, a query whose best class (the background left out) has a probability above
// the threshold of that class is one object; among equal ones the first class is the best. A query with a NaN is
// none. Objects are in tensor order.
#include "parser_settings.hpp"
#include "queries.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomSoftmaxQueries";

// Numbers as the integers of the same order, whose maximum vectorises; a positive NaN lies beyond infinity.
std::int32_t order_of(float value) {
    std::int32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits ^ ((bits >> 31) & 0x7fffffff);
}
std::int16_t order_of(std::uint16_t half) {
    const auto bits = static_cast<std::int16_t>(half);
    return static_cast<std::int16_t>(bits ^ ((bits >> 15) & 0x7fff));
}
float number_of(std::int32_t order) {
    const std::int32_t bits = order ^ ((order >> 31) & 0x7fffffff);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
float number_of(std::int16_t order) {
    return float_of_half(static_cast<std::uint16_t>(order ^ ((order >> 15) & 0x7fff)));
}

template <typename Number>
float greatest(const Number* row, std::size_t count) {
    auto best = order_of(row[0]);
    for (std::size_t c = 1; c < count; ++c) best = std::max(best, order_of(row[c]));
    return number_of(best);
}

// The logit by which a class must beat the background at the least: a class with probability p beats it by
// log(p / background), and background is at most 1 - p.
float least_lead(const std::vector<float>& scores) {
    float lead = std::numeric_limits<float>::infinity();
    for (const float score : scores) lead = std::min(lead, logit_of(score));
    return lead;
}

// The probability of the greatest logit of a row; NaN where any is.
template <typename Number>
float probability(const Number* row, std::size_t columns, float greatest_logit) {
    float sum = 0.0F;
    for (std::size_t c = 0; c < columns; ++c) sum += std::exp(as_float(row[c]) - greatest_logit);
    return 1.0F / sum;
}

// One exp for each column only of rows whose best class leads the background by enough.
template <typename Number>
void append_all(Objects& objects, const NvDsInferNetworkInfo& network, const Queries& queries, const Number* row,
                const std::vector<float>& scores) {
    const float lead = least_lead(scores);
    const std::size_t columns = queries.logits.columns;
    const std::size_t classes = columns - 1;
    for (std::size_t query = 0; query < queries.logits.rows; ++query, row += columns) {
        const float best = greatest(row, classes);
        if (!(best - as_float(row[classes]) > lead)) continue;
        std::size_t class_id = 0;
        while (as_float(row[class_id]) != best) ++class_id;
        const float score = probability(row, columns, best);
        if (score > scores[class_id]) append_query(objects, network, queries.boxes, query, class_id, score);
    }
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Queries queries = {};
    if (!find_queries(layers, network, params, kParser, kLogitsTensor, kBoxesTensor, 1, queries)) return false;
    with_numbers(queries.logits, [&](const auto* numbers) {
        append_all(objects, network, queries, numbers, params.perClassPreclusterThreshold);
    });
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomSoftmaxQueries, parse);
