// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// nvinfer's post-processing: the custom parser through its C++ ABI, then filter, cluster, rescale, clip, ROI.
#include <cstdio>
#include <exception>
#include <string>

#include "clustering.hpp"
#include "interface.hpp"
#include "parser_library.hpp"

namespace {

class Detector {
public:
    Detector(const char* library, const char* symbol, const Mux& mux, const Network& network, std::vector<Layer> layers,
             std::vector<ClassRules> rules, bool nms)
        : parser_(library, symbol), layers_(std::move(layers)), rules_(std::move(rules)), nms_(nms),
          surface_height_(static_cast<unsigned>(mux.height)), pad_left_(static_cast<float>(network.picture_left)),
          pad_top_(static_cast<float>(network.picture_top)),
          ratio_x_(static_cast<double>(network.picture_width) / (mux.width & ~1)),
          ratio_y_(static_cast<double>(network.picture_height) / (mux.height & ~1)),
          network_{static_cast<unsigned>(network.width), static_cast<unsigned>(network.height), 3},
          by_class_(rules_.size()) {
        for (const ClassRules& rule : rules_) {
            pre_thresholds_.push_back(rule.pre_cluster_threshold);
            post_thresholds_.push_back(rule.post_cluster_threshold);
        }
        for (size_t i = 0; i < layers_.size(); ++i) {
            names_.emplace_back(layers_[i].name);
        }
    }

    const Detection* run(void* const* outputs, int frame_count, int32_t* counts) {
        detections_.clear();
        for (int frame = 0; frame < frame_count; ++frame) {
            const size_t before = detections_.size();
            const bool parsed = parse_frame(outputs, frame);
            counts[frame] = parsed ? static_cast<int32_t>(detections_.size() - before) : -1;
        }
        return detections_.data() ? detections_.data() : &none_;
    }

private:
    bool parse_frame(void* const* outputs, int frame) {
        const std::vector<NvDsInferLayerInfo> infos = layer_infos(outputs, frame);
        NvDsInferParseDetectionParams params{static_cast<unsigned>(rules_.size()), pre_thresholds_, post_thresholds_,
                                             pre_thresholds_};
        Objects objects;
        if (!parser_.parse(infos, network_, params, objects)) {
            return false;
        }
        split_by_class(objects);
        for (size_t class_id = 0; class_id < by_class_.size(); ++class_id) {
            Objects& of_class = by_class_[class_id];
            if (nms_) {
                suppress_overlaps(of_class, rules_[class_id]);
            } else {
                keep_top_k(of_class, rules_[class_id].top_k);
            }
            for (const auto& object : of_class) {
                attach(object, static_cast<int>(class_id));
            }
        }
        return true;
    }

    std::vector<NvDsInferLayerInfo> layer_infos(void* const* outputs, int frame) const {
        std::vector<NvDsInferLayerInfo> infos(layers_.size());
        for (size_t i = 0; i < layers_.size(); ++i) {
            const Layer& layer = layers_[i];
            NvDsInferLayerInfo& info = infos[i];
            info = {};
            info.dataType = static_cast<NvDsInferDataType>(layer.data_type);
            info.inferDims.numDims = static_cast<unsigned>(layer.dim_count);
            info.inferDims.numElements = 1;
            for (int d = 0; d < layer.dim_count; ++d) {
                info.inferDims.d[d] = layer.dims[d];
                info.inferDims.numElements *= layer.dims[d];
            }
            info.bindingIndex = static_cast<int>(i) + 1;  // the image input is binding 0
            info.layerName = names_[i].c_str();
            info.buffer = static_cast<char*>(outputs[i]) + layer.frame_bytes * static_cast<uint64_t>(frame);
        }
        return infos;
    }

    void split_by_class(const Objects& objects) {
        for (Objects& of_class : by_class_) {
            of_class.clear();
        }
        for (const auto& object : objects) {
            // Written so that a NaN confidence survives, as it does in nvinfer.
            if (object.classId < by_class_.size() &&
                !(object.detectionConfidence < rules_[object.classId].pre_cluster_threshold)) {
                by_class_[object.classId].push_back(object);
            }
        }
    }

    void attach(const NvDsInferObjectDetectionInfo& object, int class_id) {
        const ClassRules& rules = rules_[class_id];
        Detection detection{static_cast<float>((object.left - pad_left_) / ratio_x_),
                            static_cast<float>((object.top - pad_top_) / ratio_y_),
                            static_cast<float>(object.width / ratio_x_),
                            static_cast<float>(object.height / ratio_y_),
                            object.detectionConfidence,
                            class_id};
        detection.left = detection.left < 0.0f ? 0.0f : detection.left;
        detection.top = detection.top < 0.0f ? 0.0f : detection.top;
        const bool too_small = detection.width < rules.min_width || detection.height < rules.min_height;
        const bool too_large = (rules.max_width > 0.0f && detection.width > rules.max_width) ||
                               (rules.max_height > 0.0f && detection.height > rules.max_height);
        // Unsigned in nvinfer, so an offset beyond the surface leaves every box in.
        const auto lowest = static_cast<float>(surface_height_ - static_cast<unsigned>(rules.roi_bottom_offset));
        const bool outside_roi = detection.top < rules.roi_top_offset || detection.top + detection.height > lowest;
        if (!(rules.filtered_out || too_small || too_large || outside_roi)) {
            detections_.push_back(detection);
        }
    }

    ParserLibrary parser_;
    std::vector<Layer> layers_;
    std::vector<ClassRules> rules_;
    bool nms_;
    unsigned surface_height_;
    float pad_left_, pad_top_;
    double ratio_x_, ratio_y_;
    NvDsInferNetworkInfo network_;
    std::vector<std::string> names_;
    std::vector<float> pre_thresholds_, post_thresholds_;
    std::vector<Objects> by_class_;
    std::vector<Detection> detections_;
    Detection none_{};
};

// Called in a handler; a parser may throw anything.
void describe_exception(char* error, int32_t error_bytes) {
    const char* text = "the parser threw something that is no std::exception";
    try {
        throw;
    } catch (const std::exception& reason) {
        std::snprintf(error, static_cast<size_t>(error_bytes), "%s", reason.what());
    } catch (...) {
        std::snprintf(error, static_cast<size_t>(error_bytes), "%s", text);
    }
}

}  // namespace

void* dsembed_detector_new(const char* library, const char* symbol, const Mux* mux, const Network* network,
                           const Layer* layers, int32_t layer_count, const ClassRules* rules, int32_t class_count,
                           int32_t nms, char* error, int32_t error_bytes) {
    try {
        return new Detector(library, symbol, *mux, *network, {layers, layers + layer_count},
                            {rules, rules + class_count}, nms != 0);
    } catch (...) {
        describe_exception(error, error_bytes);
        return nullptr;
    }
}

const Detection* dsembed_detector_run(void* detector, void* const* outputs, int32_t frame_count, int32_t* counts,
                                      char* error, int32_t error_bytes) {
    try {
        return static_cast<Detector*>(detector)->run(outputs, frame_count, counts);
    } catch (...) {
        describe_exception(error, error_bytes);
        return nullptr;
    }
}

void dsembed_detector_delete(void* detector) { delete static_cast<Detector*>(detector); }
