// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// nvinfer's clustering of one class, in float32 and in its order of operations.
#ifndef DSEMBED_CLUSTERING_HPP
#define DSEMBED_CLUSTERING_HPP

#include <algorithm>
#include <utility>
#include <vector>

#include "interface.hpp"
#include "nvdsinfer.h"

using Objects = std::vector<NvDsInferObjectDetectionInfo>;

inline void sort_by_confidence(Objects& objects) {
    std::stable_sort(objects.begin(), objects.end(),
                     [](const auto& a, const auto& b) { return a.detectionConfidence > b.detectionConfidence; });
}

inline void keep_top_k(Objects& objects, int top_k) {
    if (top_k < 0) {
        return;
    }
    sort_by_confidence(objects);
    if (objects.size() > static_cast<size_t>(top_k)) {
        objects.resize(top_k);
    }
}

// How far two intervals overlap; in nvinfer's order of comparisons, which decides what NaN gives.
inline float overlap(float a_start, float a_end, float b_start, float b_end) {
    if (a_start > b_start) {
        std::swap(a_start, b_start);
        std::swap(a_end, b_end);
    }
    return a_end < b_start ? 0.0f : std::min(a_end, b_end) - b_start;
}

inline float intersection_over_union(const NvDsInferObjectDetectionInfo& a, const NvDsInferObjectDetectionInfo& b) {
    const float shared = overlap(a.left, a.left + a.width, b.left, b.left + b.width) *
                         overlap(a.top, a.top + a.height, b.top, b.top + b.height);
    const float either = a.width * a.height + b.width * b.height - shared;
    return either == 0.0f ? 0.0f : shared / either;
}

inline void suppress_overlaps(Objects& objects, const ClassRules& rules) {
    sort_by_confidence(objects);
    Objects kept;
    for (const auto& candidate : objects) {
        // Written so that an overlap that is NaN suppresses, as it does in nvinfer.
        const auto leaves_it = [&](const auto& other) {
            return intersection_over_union(candidate, other) <= rules.nms_iou_threshold;
        };
        if (std::all_of(kept.begin(), kept.end(), leaves_it)) {
            kept.push_back(candidate);
        }
    }
    const auto below = [&](const auto& object) {
        return !(object.detectionConfidence > rules.post_cluster_threshold);
    };
    kept.erase(std::remove_if(kept.begin(), kept.end(), below), kept.end());
    keep_top_k(kept, rules.top_k);
    objects.swap(kept);
}

#endif
