// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Parser of decoded boxes [N, 4] beside final scores of every class, [N, C] or [C, N] (YOLO-NAS, DAMO-YOLO, PP-YOLOE
// without its NMS, SSD). The first kFirstColumn columns are background; the next one is class kFirstClass.
//
// As these families' own post-processing does before its NMS, every (box, class) whose score is above the threshold
// of its class is an object, at most kTopK of them, best first. Equal scores keep the order of boxes, then classes.
#include "final_boxes.hpp"
#include "output_tensors.hpp"
#include "parser_settings.hpp"
#include "thresholds.hpp"

namespace {

using namespace detection_parser;
using namespace parser_settings;

constexpr char kParser[] = "NvDsInferParseCustomBoxesBesideScores";
constexpr std::size_t kReserved = 256;
constexpr std::size_t kBlock = 512;

using Boxes = BoxReader<box_form(kBoxes), kFractions>;

static_assert(kTopK > 0 && kFirstColumn >= 0 && kFirstClass >= 0);
constexpr std::size_t kMost = kTopK;
constexpr std::size_t kBackground = kFirstColumn;
constexpr std::size_t kClassOfFirst = kFirstClass;

struct Scores {
    Matrix matrix;
    std::size_t boxes;
    std::size_t columns;
    bool by_class;  // a row of the matrix is a class, not a box
};

struct Candidate {
    float score;
    std::size_t index;  // box * columns + column
};

bool better(const Candidate& a, const Candidate& b) {
    return a.score > b.score || (a.score == b.score && a.index < b.index);
}

template <typename Number>
Thresholds<Number> column_thresholds(const std::vector<float>& scores, std::size_t columns) {
    Thresholds<Number> thresholds;
    thresholds.exact.resize(columns, std::numeric_limits<float>::infinity());
    thresholds.bound.resize(columns);
    for (std::size_t column = 0; column < columns; ++column) {
        if (column >= kBackground) thresholds.exact[column] = scores[column - kBackground + kClassOfFirst];
        order_below(thresholds.exact[column], thresholds.bound[column]);
    }
    return thresholds;
}

template <typename Number>
void collect_by_box(const Scores& scores, const Number* row, const Thresholds<Number>& thresholds,
                    std::vector<Candidate>& candidates) {
    for (std::size_t box = 0; box < scores.boxes; ++box, row += scores.columns) {
        if (!may_exceed(row, thresholds)) continue;
        for (std::size_t column = kBackground; column < scores.columns; ++column) {
            const float score = as_float(row[column]);
            if (exceeds(score, thresholds.exact[column])) candidates.push_back({score, box * scores.columns + column});
        }
    }
}

// Classes lie one after the other, so each is walked along memory, in blocks of which most end with the scan.
template <typename Number>
void collect_by_class(const Scores& scores, const Number* numbers, const Thresholds<Number>& thresholds,
                      std::vector<Candidate>& candidates) {
    for (std::size_t column = kBackground; column < scores.columns; ++column) {
        const Number* plane = numbers + column * scores.boxes;
        const Ordered<Number> bound = thresholds.bound[column];
        for (std::size_t start = 0; start < scores.boxes; start += kBlock) {
            const std::size_t end = std::min(start + kBlock, scores.boxes);
            int hit = 0;
            for (std::size_t box = start; box < end; ++box) hit |= ordered(plane[box]) > bound ? 1 : 0;
            if (hit == 0) continue;
            for (std::size_t box = start; box < end; ++box) {
                const float score = as_float(plane[box]);
                if (!exceeds(score, thresholds.exact[column])) continue;
                candidates.push_back({score, box * scores.columns + column});
            }
        }
    }
}

template <typename Number>
std::vector<Candidate> collect(const Scores& scores, const Number* numbers, const std::vector<float>& limits) {
    const Thresholds<Number> thresholds = column_thresholds<Number>(limits, scores.columns);
    std::vector<Candidate> candidates;
    candidates.reserve(kReserved);
    if (scores.by_class) {
        collect_by_class(scores, numbers, thresholds, candidates);
    } else {
        collect_by_box(scores, numbers, thresholds, candidates);
    }
    return candidates;
}

void keep_best(std::vector<Candidate>& candidates) {
    if (candidates.size() > kMost) {
        std::nth_element(candidates.begin(), candidates.begin() + kMost, candidates.end(), better);
        candidates.resize(kMost);
    }
    std::sort(candidates.begin(), candidates.end(), better);
}

// The axis that has as many entries as there are boxes is theirs; where both have, the first.
bool find(const Layers& layers, Matrix& boxes, Scores& scores) {
    Matrix& matrix = scores.matrix;
    if (!find_matrix(layers, kParser, kBoxesTensor, boxes) || !find_matrix(layers, kParser, kScoresTensor, matrix) ||
        !check_columns(kParser, kBoxesTensor, boxes, 4)) {
        return false;
    }
    scores.by_class = matrix.rows != boxes.rows;
    scores.boxes = scores.by_class ? matrix.columns : matrix.rows;
    scores.columns = scores.by_class ? matrix.rows : matrix.columns;
    if (scores.boxes == boxes.rows && scores.columns > kBackground) return true;
    std::fprintf(stderr, "%s: output '%s' is %zu x %zu, expected an axis of %zu boxes and one of over %zu columns\n",
                 kParser, kScoresTensor, matrix.rows, matrix.columns, boxes.rows, kBackground);
    return false;
}

bool parse(const Layers& layers, const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params,
           Objects& objects) {
    Matrix boxes = {};
    Scores scores = {};
    if (!find(layers, boxes, scores) ||
        !check_classes(kParser, kScoresTensor, scores.columns - kBackground + kClassOfFirst, params) ||
        !check_network(kParser, network)) {
        return false;
    }
    std::vector<Candidate> candidates = with_numbers(scores.matrix, [&](const auto* numbers) {
        return collect(scores, numbers, params.perClassPreclusterThreshold);
    });
    keep_best(candidates);
    objects.reserve(objects.size() + candidates.size());
    for (const Candidate& candidate : candidates) {
        const std::size_t column = candidate.index % scores.columns;
        Boxes::append(objects, network, static_cast<std::uint32_t>(column - kBackground + kClassOfFirst),
                      candidate.score, boxes, candidate.index / scores.columns, 0);
    }
    return true;
}

}  // namespace

EXPORT_DETECTION_PARSER(NvDsInferParseCustomBoxesBesideScores, parse);
