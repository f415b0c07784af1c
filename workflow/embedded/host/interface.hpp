// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// What the Python side of the embedded deepstream-app calls; dsembed/shared/native.py declares the same structs.
#ifndef DSEMBED_INTERFACE_HPP
#define DSEMBED_INTERFACE_HPP

#include <cstdint>

#define DSEMBED_API extern "C" __attribute__((visibility("default")))

struct Frame {  // one decoded 4:2:0 picture, 8 bits
    const uint8_t* luma;
    const uint8_t* cb;
    const uint8_t* cr;
    int32_t luma_stride;    // bytes
    int32_t chroma_stride;  // bytes
    int32_t chroma_step;    // bytes from one sample to the next: 1 planar, 2 interleaved
    int32_t width;          // luma samples
    int32_t height;
    int32_t bt709;       // else BT.601
    int32_t full_range;  // else luma 16..235, chroma 16..240
};

struct Mux {  // the surface that metadata refers to, pixels
    int32_t width;
    int32_t height;
    int32_t enable_padding;
};

struct Network {  // network input; the picture covers [left, left + picture_width) and so on
    int32_t width;
    int32_t height;
    int32_t picture_width;
    int32_t picture_height;
    int32_t picture_left;
    int32_t picture_top;
    int32_t bgr;
    int32_t scaling_filter;  // nvinfer's number: 0 nearest, 1 bilinear, 2 cubic, 3 area, 6 nearest
    float scale_factor;
    float offsets[3];  // per network channel
};

struct Layer {  // one output tensor without its batch dimension
    const char* name;
    int32_t data_type;  // NvDsInferDataType
    int32_t dim_count;
    uint32_t dims[8];
    uint64_t frame_bytes;
};

struct ClassRules {  // [class-attrs-N]; -1 for top_k means all, 0 for a size means no limit
    float pre_cluster_threshold;
    float post_cluster_threshold;
    float nms_iou_threshold;
    int32_t top_k;
    float roi_top_offset;
    float roi_bottom_offset;
    float min_width;
    float min_height;
    float max_width;
    float max_height;
    int32_t filtered_out;
};

struct Detection {  // mux surface pixels
    float left;
    float top;
    float width;
    float height;
    float confidence;
    int32_t class_id;
};

// Writes one frame of the batch tensor: scale_factor * (x - offset), planar, float32. Returns 0 when memory ran
// out. No function here lets an exception out.
DSEMBED_API int32_t dsembed_prepare(const Frame*, const Mux*, const Network*, float* tensor);

// Returns a detector, or null with the reason in `error`.
DSEMBED_API void* dsembed_detector_new(const char* library, const char* symbol, const Mux*, const Network*,
                                       const Layer*, int32_t layer_count, const ClassRules*, int32_t class_count,
                                       int32_t nms, char* error, int32_t error_bytes);

// Parses `frame_count` frames; detections of all frames follow one another, counts[i] of frame i, or -1 when
// the parser returned false. Returns null when the parser broke its contract (`error` says how); otherwise the
// array is valid until the next call.
DSEMBED_API const Detection* dsembed_detector_run(void* detector, void* const* outputs, int32_t frame_count,
                                                  int32_t* counts, char* error, int32_t error_bytes);

DSEMBED_API void dsembed_detector_delete(void* detector);

#endif
