// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// What the parsers of decoded detections share: the ways in which boxes are written, and classes that are data.
#pragma once

#include <string_view>

#include "detection_parser.hpp"

namespace detection_parser {

enum class BoxForm { kUnknown, kCorners, kCornersYFirst, kCentres };

constexpr BoxForm box_form(std::string_view name) {
    if (name == "corners") return BoxForm::kCorners;
    if (name == "corners_y_first") return BoxForm::kCornersYFirst;
    if (name == "centres") return BoxForm::kCentres;
    return BoxForm::kUnknown;
}

// How a family writes its boxes; the settings are constants, so a wrong one does not compile.
template <BoxForm form, bool are_fractions>
struct BoxReader {
    static_assert(form != BoxForm::kUnknown, "the setting boxes is none of corners, corners_y_first, centres");

    static void append(Objects& objects, const NvDsInferNetworkInfo& network, std::uint32_t class_id, float score,
                       float a, float b, float c, float d) {
        const float x = are_fractions ? static_cast<float>(network.width) : 1.0F;
        const float y = are_fractions ? static_cast<float>(network.height) : 1.0F;
        if constexpr (form == BoxForm::kCorners) {
            append_box(objects, network, class_id, score, a * x, b * y, c * x, d * y);
        } else if constexpr (form == BoxForm::kCornersYFirst) {
            append_box(objects, network, class_id, score, b * x, a * y, d * x, c * y);
        } else {
            append_box(objects, network, class_id, score, (a - c * 0.5F) * x, (b - d * 0.5F) * y, (a + c * 0.5F) * x,
                       (b + d * 0.5F) * y);
        }
    }

    static void append(Objects& objects, const NvDsInferNetworkInfo& network, std::uint32_t class_id, float score,
                       const Matrix& boxes, std::size_t row, std::size_t column) {
        append(objects, network, class_id, score, element(boxes, row, column), element(boxes, row, column + 1),
               element(boxes, row, column + 2), element(boxes, row, column + 3));
    }
};

// Whether a score that is final is above a threshold; infinity and NaN are no scores.
inline bool exceeds(float score, float threshold) {
    return score > threshold && score <= std::numeric_limits<float>::max();
}

// Whether a number names one of the classes and the score is above the threshold of that class.
inline bool is_object(double label, float score, const std::vector<float>& thresholds, std::uint32_t& class_id) {
    if (!(label >= 0.0 && label < static_cast<double>(thresholds.size()))) return false;
    class_id = static_cast<std::uint32_t>(label);
    return static_cast<double>(class_id) == label && exceeds(score, thresholds[class_id]);
}

// Whether nvinfer has a threshold for each class, where the tensors do not tell their number, and the network has
// pixels. Says on stderr what it has not.
inline bool check_params(const char* parser, const NvDsInferNetworkInfo& network,
                         const NvDsInferParseDetectionParams& params) {
    const std::size_t thresholds = params.perClassPreclusterThreshold.size();
    if (thresholds != params.numClassesConfigured || thresholds == 0) {
        std::fprintf(stderr, "%s: num-detected-classes is %u with %zu thresholds\n", parser,
                     params.numClassesConfigured, thresholds);
        return false;
    }
    return check_network(parser, network);
}

}  // namespace detection_parser
