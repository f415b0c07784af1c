// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Time per frame of a compiled parser and of a straightforward decoder on the same tensors.
// usage: parser_speed LIBRARY SYMBOL QUERIES CLASSES fp32|half ; prints "parser_ns reference_ns objects".
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "detection_parser.hpp"

namespace {

using detection_parser::Objects;

constexpr float kThreshold = 0.5F;
constexpr unsigned kNetworkPixels = 640;
constexpr int kRepeats = 41;

struct Frame {
    unsigned queries;
    unsigned classes;
    std::vector<float> logits;
    std::vector<float> boxes;
};

// Background logits around -5, as a trained focal-loss head gives, and one confident class for 20 queries.
Frame realistic_frame(unsigned queries, unsigned classes) {
    std::mt19937 random(7);
    std::normal_distribution<float> background(-5.0F, 1.0F);
    std::normal_distribution<float> object(1.5F, 0.8F);
    std::uniform_real_distribution<float> centre(0.2F, 0.8F);
    std::uniform_real_distribution<float> size(0.05F, 0.3F);
    Frame frame = {queries, classes, {}, {}};
    for (unsigned i = 0; i < queries * classes; ++i) frame.logits.push_back(background(random));
    for (unsigned i = 0; i < 20; ++i) {
        frame.logits[(i * queries / 20) * classes + random() % classes] = object(random);
    }
    for (unsigned q = 0; q < queries; ++q) {
        frame.boxes.insert(frame.boxes.end(), {centre(random), centre(random), size(random), size(random)});
    }
    return frame;
}

std::uint16_t half_of_float(float value) {  // nearest by search: only for making test data
    std::uint16_t best = 0;
    for (std::uint32_t bits = 0; bits < 0x7c00U; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        if (std::fabs(detection_parser::float_of_half(half) - std::fabs(value)) <
            std::fabs(detection_parser::float_of_half(best) - std::fabs(value))) {
            best = half;
        }
    }
    return static_cast<std::uint16_t>(best | (value < 0.0F ? 0x8000U : 0U));
}

// What one writes first: every sigmoid in double, all scores sorted, the best Q kept, then the threshold.
template <typename Number>
void reference_decode(const Frame& frame, const Number* logits, const Number* boxes, Objects& objects) {
    std::vector<std::pair<double, unsigned>> scores;
    for (unsigned i = 0; i < frame.queries * frame.classes; ++i) {
        scores.emplace_back(1.0 / (1.0 + std::exp(-double{detection_parser::as_float(logits[i])})), i);
    }
    std::sort(scores.begin(), scores.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    scores.resize(std::min<std::size_t>(scores.size(), frame.queries));
    for (const auto& [score, index] : scores) {
        if (score <= double{kThreshold}) continue;
        const Number* box = boxes + std::size_t{index / frame.classes} * 4;
        const double x = detection_parser::as_float(box[0]);
        const double y = detection_parser::as_float(box[1]);
        const double w = detection_parser::as_float(box[2]);
        const double h = detection_parser::as_float(box[3]);
        NvDsInferObjectDetectionInfo object = {};
        object.classId = index % frame.classes;
        object.left = static_cast<float>((x - w / 2) * kNetworkPixels);
        object.top = static_cast<float>((y - h / 2) * kNetworkPixels);
        object.width = static_cast<float>(w * kNetworkPixels);
        object.height = static_cast<float>(h * kNetworkPixels);
        object.detectionConfidence = static_cast<float>(score);
        objects.push_back(object);
    }
}

// Median over repeats of the mean ns of one call.
template <typename Call>
double median_ns(int calls, Call call) {
    std::vector<double> times_ns;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < calls; ++i) call();
        const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
        times_ns.push_back(elapsed.count() / calls);
    }
    std::nth_element(times_ns.begin(), times_ns.begin() + kRepeats / 2, times_ns.end());
    return times_ns[kRepeats / 2];
}

NvDsInferLayerInfo layer(const char* name, unsigned rows, unsigned columns, NvDsInferDataType type, void* data) {
    NvDsInferLayerInfo info = {};
    info.dataType = type;
    info.inferDims.numDims = 2;
    info.inferDims.d[0] = rows;
    info.inferDims.d[1] = columns;
    info.inferDims.numElements = rows * columns;
    info.layerName = name;
    info.buffer = data;
    return info;
}

template <typename Number>
int measure(NvDsInferParseCustomFunc parse, const Frame& frame, std::vector<Number> logits, std::vector<Number> boxes) {
    const NvDsInferDataType type = sizeof(Number) == 2 ? HALF : FLOAT;
    const std::vector<NvDsInferLayerInfo> layers = {
        layer("logits", frame.queries, frame.classes, type, logits.data()),
        layer("pred_boxes", frame.queries, 4, type, boxes.data()),
    };
    const NvDsInferNetworkInfo network = {kNetworkPixels, kNetworkPixels, 3};
    std::vector<float> thresholds(frame.classes, kThreshold);
    const NvDsInferParseDetectionParams params = {frame.classes, thresholds, thresholds, thresholds};
    Objects ours;
    Objects reference;
    const double parser_ns = median_ns(200, [&] {
        ours.clear();
        if (!parse(layers, network, params, ours)) std::exit(1);
    });
    const double reference_ns = median_ns(20, [&] {
        reference.clear();
        reference_decode(frame, logits.data(), boxes.data(), reference);
    });
    if (ours.size() != reference.size()) {
        std::fprintf(stderr, "the parser found %zu objects, the reference %zu\n", ours.size(), reference.size());
        return 1;
    }
    std::printf("%.0f %.0f %zu\n", parser_ns, reference_ns, ours.size());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fprintf(stderr, "usage: parser_speed LIBRARY SYMBOL QUERIES CLASSES fp32|half\n");
        return 2;
    }
    void* library = dlopen(argv[1], RTLD_NOW);
    void* symbol = library == nullptr ? nullptr : dlsym(library, argv[2]);
    if (symbol == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    const auto parse = reinterpret_cast<NvDsInferParseCustomFunc>(symbol);
    const Frame frame = realistic_frame(static_cast<unsigned>(std::stoul(argv[3])),
                                        static_cast<unsigned>(std::stoul(argv[4])));
    if (std::string(argv[5]) == "fp32") return measure(parse, frame, frame.logits, frame.boxes);
    std::vector<std::uint16_t> logits(frame.logits.size());
    std::vector<std::uint16_t> boxes(frame.boxes.size());
    std::transform(frame.logits.begin(), frame.logits.end(), logits.begin(), half_of_float);
    std::transform(frame.boxes.begin(), frame.boxes.end(), boxes.begin(), half_of_float);
    return measure(parse, frame, logits, boxes);
}
