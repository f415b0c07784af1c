// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Time per frame of a compiled parser and of a plain decoder's scoring and sorting on the same numbers.
// usage: parser_speed LIBRARY SYMBOL final|sigmoid|softmax ; stdin has one case whose last layer is the scores
// alone, [rows, columns] before the activation. Prints "parser_ns plain_ns objects".
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "detection_parser.hpp"
#include "parser_case.hpp"

namespace {

using detection_parser::as_float;

constexpr double kRepeatNs = 2e6;
constexpr double kBudgetNs = 2e8;

struct Plain {
    const NvDsInferLayerInfo& scores;
    std::string activation;
    double threshold;
};

// What one writes first: every score in double, all of them sorted, those above the threshold counted. The boxes
// are left out, so it is faster than a whole decoder.
template <typename Number>
std::size_t plain_decode(const Plain& plain) {
    const std::size_t columns = plain.scores.inferDims.d[1];
    const auto* numbers = static_cast<const Number*>(plain.scores.buffer);
    std::vector<std::pair<double, std::size_t>> scores;
    for (std::size_t row = 0; row < plain.scores.inferDims.d[0]; ++row, numbers += columns) {
        double sum = 0.0;
        if (plain.activation == "softmax") {
            for (std::size_t c = 0; c < columns; ++c) sum += std::exp(double{as_float(numbers[c])});
        }
        for (std::size_t c = 0; c < columns; ++c) {
            const double number = as_float(numbers[c]);
            const double score = plain.activation == "softmax"   ? std::exp(number) / sum
                                 : plain.activation == "sigmoid" ? 1.0 / (1.0 + std::exp(-number))
                                                                 : number;
            scores.emplace_back(score, row * columns + c);
        }
    }
    std::sort(scores.begin(), scores.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::size_t above = 0;
    while (above < scores.size() && scores[above].first > plain.threshold) ++above;
    return above;
}

template <typename Call>
double mean_ns(int calls, Call call) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call();
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    return elapsed.count() / calls;
}

// Median of the repeats that fit the budget, at least 5, of the mean ns of one call.
template <typename Call>
double median_ns(Call call) {
    call();
    const double once_ns = mean_ns(1, call);
    const int calls = std::max(1, static_cast<int>(kRepeatNs / once_ns));
    const int repeats = std::clamp(static_cast<int>(kBudgetNs / (calls * once_ns)), 5, 51);
    std::vector<double> times_ns;
    for (int repeat = 0; repeat < repeats; ++repeat) times_ns.push_back(mean_ns(calls, call));
    std::nth_element(times_ns.begin(), times_ns.begin() + repeats / 2, times_ns.end());
    return times_ns[static_cast<std::size_t>(repeats / 2)];
}

int measure(NvDsInferParseCustomFunc parse, parser_case::Case& frame, const std::string& activation) {
    const NvDsInferLayerInfo scores = frame.layers.back();
    frame.layers.pop_back();
    const NvDsInferParseDetectionParams params = {frame.classes, frame.thresholds, frame.thresholds, frame.thresholds};
    detection_parser::Objects objects;
    const double parser_ns = median_ns([&] {
        objects.clear();
        if (!parse(frame.layers, frame.network, params, objects)) std::exit(1);
    });
    const Plain plain = {scores, activation, frame.thresholds.front()};
    std::size_t above = 0;
    const double plain_ns = median_ns(
        [&] { above += scores.dataType == HALF ? plain_decode<std::uint16_t>(plain) : plain_decode<float>(plain); });
    if (above == 0) {  // also keeps the compiler from leaving the decoder out
        std::fprintf(stderr, "no score is above the threshold\n");
        return 1;
    }
    std::printf("%.0f %.0f %zu\n", parser_ns, plain_ns, objects.size());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: parser_speed LIBRARY SYMBOL final|sigmoid|softmax < CASE\n");
        return 2;
    }
    void* library = dlopen(argv[1], RTLD_NOW);
    void* symbol = library == nullptr ? nullptr : dlsym(library, argv[2]);
    if (symbol == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    parser_case::Case frame = parser_case::read_case();
    return measure(reinterpret_cast<NvDsInferParseCustomFunc>(symbol), frame, argv[3]);
}
