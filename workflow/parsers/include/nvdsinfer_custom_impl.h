// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// The part of DeepStream's nvdsinfer_custom_impl.h that a detection parser needs, without TensorRT and CUDA.
#ifndef NVDSINFER_CUSTOM_IMPL_H
#define NVDSINFER_CUSTOM_IMPL_H

#include <vector>

#include "nvdsinfer.h"

struct NvDsInferParseDetectionParams {
    unsigned int numClassesConfigured;
    std::vector<float> perClassPreclusterThreshold;
    std::vector<float> perClassPostclusterThreshold;
    std::vector<float>& perClassThreshold;  // the pre-cluster vector under its older name
};

typedef bool (*NvDsInferParseCustomFunc)(std::vector<NvDsInferLayerInfo> const& outputLayersInfo,
                                         NvDsInferNetworkInfo const& networkInfo,
                                         NvDsInferParseDetectionParams const& detectionParams,
                                         std::vector<NvDsInferObjectDetectionInfo>& objectList);

#define CHECK_CUSTOM_PARSE_FUNC_PROTOTYPE(parse)                           \
    static_assert(static_cast<NvDsInferParseCustomFunc>(&parse) == &parse, \
                  #parse " is not a bounding box parser of nvinfer")

#endif
