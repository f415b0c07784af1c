// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// nvinfer's clustering of one class, in float32 and in its order of operations.
#ifndef DSEMBED_CLUSTERING_HPP
#define DSEMBED_CLUSTERING_HPP

#include <algorithm>
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

inline float overlap(float a_start, float a_size, float b_start, float b_size) {
    const float length = std::min(a_start + a_size, b_start + b_size) - std::max(a_start, b_start);
    return length > 0.0f ? length : 0.0f;
}

inline float intersection_over_union(const NvDsInferObjectDetectionInfo& a, const NvDsInferObjectDetectionInfo& b) {
    const float shared = overlap(a.left, a.width, b.left, b.width) * overlap(a.top, a.height, b.top, b.height);
    const float either = a.width * a.height + b.width * b.height - shared;
    return either == 0.0f ? 0.0f : shared / either;
}

inline void suppress_overlaps(Objects& objects, const ClassRules& rules) {
    sort_by_confidence(objects);
    Objects kept;
    for (const auto& candidate : objects) {
        const auto overlaps = [&](const auto& other) {
            return intersection_over_union(candidate, other) > rules.nms_iou_threshold;
        };
        if (std::none_of(kept.begin(), kept.end(), overlaps)) {
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
