// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of query detectors with one sigmoid per class and no background class (RT-DETR, RT-DETRv2, D-FINE):
// logits [Q, C] and boxes [Q, 4], centre x, centre y, width, height in 0..1 of the network input.
//
// As the reference post-processing does, every (query, class) whose score is above the threshold of its class
// is an object, at most kTopK of them (Q where that is 0), best first. Equal scores keep tensor order, so the result is reproducible.
#include <algorithm>
#include <exception>

#include "detection_parser.hpp"
#include "parser_settings.hpp"

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

// A number as something that compares fast without F16C, which not every node has: halves compare as the
// integers of the same order. NaN halves lie beyond infinity; the exact comparison rejects them.
float ordered(float value) { return value; }
std::int16_t ordered(std::uint16_t half) {
    const auto bits = static_cast<std::int16_t>(half);
    return static_cast<std::int16_t>(bits ^ ((bits >> 15) & 0x7fff));
}

// The greatest ordered number that is not above the logit.
void order_below(float logit, float& bound) { bound = logit; }
void order_below(float logit, std::int16_t& bound) {
    int low = ordered(std::uint16_t{0xfc00});   // -infinity
    int high = ordered(std::uint16_t{0x7c00});  // +infinity
    while (low < high) {
        const int middle = (low + high + 1) >> 1;
        const float value = float_of_half(static_cast<std::uint16_t>(middle ^ ((middle >> 15) & 0x7fff)));
        if (value <= logit) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    bound = static_cast<std::int16_t>(low);
}

// What the scores of each class must exceed, as logits and in fast comparable form.
template <typename Number>
struct Thresholds {
    std::vector<float> logit;
    std::vector<decltype(ordered(Number{}))> bound;
};

template <typename Number>
Thresholds<Number> thresholds_of(const std::vector<float>& scores) {
    Thresholds<Number> thresholds;
    thresholds.logit.resize(scores.size());
    thresholds.bound.resize(scores.size());
    for (std::size_t c = 0; c < scores.size(); ++c) {
        if (c > 0 && scores[c] == scores[c - 1]) {
            thresholds.logit[c] = thresholds.logit[c - 1];
            thresholds.bound[c] = thresholds.bound[c - 1];
        } else {
            thresholds.logit[c] = logit_of(scores[c]);
            order_below(thresholds.logit[c], thresholds.bound[c]);
        }
    }
    return thresholds;
}

// Comparing raw logits costs no exp; the first loop has no branch, so it vectorises, and most rows end there.
// NaN compares false and is never a candidate.
template <typename Number>
std::vector<Candidate> collect(const Matrix& logits, const std::vector<float>& scores) {
    const Thresholds<Number> thresholds = thresholds_of<Number>(scores);
    const std::size_t classes = logits.columns;
    std::vector<Candidate> candidates;
    candidates.reserve(kReserved);
    const Number* row = static_cast<const Number*>(logits.data);
    for (std::size_t query = 0; query < logits.rows; ++query, row += classes) {
        int hit = 0;
        for (std::size_t c = 0; c < classes; ++c) hit |= ordered(row[c]) > thresholds.bound[c] ? 1 : 0;
        if (hit == 0) continue;
        for (std::size_t c = 0; c < classes; ++c) {
            const float logit = as_float(row[c]);
            if (logit > thresholds.logit[c]) candidates.push_back({logit, query * classes + c});
        }
    }
    return candidates;
}

void keep_best(std::vector<Candidate>& candidates, std::size_t count) {
    if (candidates.size() > count) {
        std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count),
                         candidates.end(), better);
        candidates.resize(count);
    }
    std::sort(candidates.begin(), candidates.end(), better);
}

bool check(const Matrix& logits, const Matrix& boxes, const NvDsInferNetworkInfo& network,
           const NvDsInferParseDetectionParams& params) {
    if (boxes.columns != 4 || boxes.rows != logits.rows) {
        std::fprintf(stderr, "%s: %s is %zu x %zu, expected %zu x 4\n", kParser, kBoxesTensor, boxes.rows, boxes.columns,
                     logits.rows);
        return false;
    }
    if (logits.columns != params.numClassesConfigured || logits.columns != params.perClassPreclusterThreshold.size()) {
        std::fprintf(stderr, "%s: %s has %zu classes, but num-detected-classes is %u with %zu thresholds\n",
                     kParser, kLogitsTensor, logits.columns, params.numClassesConfigured, params.perClassPreclusterThreshold.size());
        return false;
    }
    if (network.width == 0 || network.height == 0) {
        std::fprintf(stderr, "%s: the network is %u x %u pixels\n", kParser, network.width, network.height);
        return false;
    }
    return true;
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix logits = {};
    Matrix boxes = {};
    if (!find_matrix(layers, kParser, kLogitsTensor, logits) || !find_matrix(layers, kParser, kBoxesTensor, boxes) ||
        !check(logits, boxes, network, params)) {
        return false;
    }
    const std::vector<float>& scores = params.perClassPreclusterThreshold;
    std::vector<Candidate> candidates =
        logits.is_half ? collect<std::uint16_t>(logits, scores) : collect<float>(logits, scores);
    keep_best(candidates, kTopK > 0 ? kTopK : logits.rows);
    objects.reserve(objects.size() + candidates.size());
    const float width = static_cast<float>(network.width);
    const float height = static_cast<float>(network.height);
    for (const Candidate& candidate : candidates) {
        const std::size_t query = candidate.index / logits.columns;
        const float x = element(boxes, query, 0);
        const float y = element(boxes, query, 1);
        const float half_width = element(boxes, query, 2) * 0.5F;
        const float half_height = element(boxes, query, 3) * 0.5F;
        append_box(objects, network, static_cast<std::uint32_t>(candidate.index % logits.columns),
                   sigmoid(candidate.logit), (x - half_width) * width, (y - half_height) * height,
                   (x + half_width) * width, (y + half_height) * height);
    }
    return true;
}

}  // namespace

DETECTION_PARSER_EXPORT bool NvDsInferParseCustomSigmoidQueries(const Layers& outputLayersInfo,
                                                                const NvDsInferNetworkInfo& networkInfo,
                                                                const NvDsInferParseDetectionParams& detectionParams,
                                                                Objects& objectList) {
    try {
        return parse(outputLayersInfo, networkInfo, detectionParams, objectList);
    } catch (const std::exception& error) {  // an exception that reaches nvinfer ends the process
        std::fprintf(stderr, "%s: %s\n", kParser, error.what());
        return false;
    }
}

[[maybe_unused]] static constexpr NvDsInferParseCustomFunc kPrototype = &NvDsInferParseCustomSigmoidQueries;
