// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// The part of DeepStream's nvdsinfer.h that a detection parser needs: the same names, field order and
// sizes, so that a parser built with it loads into nvinfer. An installed DeepStream's header replaces it.
#ifndef NVDSINFER_H
#define NVDSINFER_H

#ifndef DEEPSTREAM_OBJECT_BYTES
#define DEEPSTREAM_OBJECT_BYTES 28  // DeepStream 9 and later; 24 before, without rotation_angle
#endif

#define NVDSINFER_MAX_DIMS 8

typedef struct {
    unsigned int numDims;
    unsigned int d[NVDSINFER_MAX_DIMS];
    unsigned int numElements;
} NvDsInferDims;

typedef enum { FLOAT = 0, HALF = 1, INT8 = 2, INT32 = 3, INT64 = 4, UINT8 = 5 } NvDsInferDataType;

typedef struct {
    NvDsInferDataType dataType;
    union {
        NvDsInferDims inferDims;  // of one frame: without the batch dimension
        NvDsInferDims dims;
    };
    int bindingIndex;
    const char* layerName;
    void* buffer;  // host memory of this frame
    int isInput;
} NvDsInferLayerInfo;

typedef struct {
    unsigned int width;
    unsigned int height;
    unsigned int channels;
} NvDsInferNetworkInfo;

typedef struct {
    unsigned int classId;
    float left;
    float top;
    float width;
    float height;
    float detectionConfidence;
#if DEEPSTREAM_OBJECT_BYTES == 28
    float rotation_angle;  // radians
#endif
} NvDsInferObjectDetectionInfo;

typedef NvDsInferObjectDetectionInfo NvDsInferParseObjectInfo;

#endif
