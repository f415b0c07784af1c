// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Time per frame of NVIDIA's scaling library, which nvinfer hands every frame to, by sizes and filter, as Markdown.
// A batch is scaled in one call, NV12 to RGB, as nvinfer does. The fastest of the repeats counts.
// usage: nvidia_scaling [BATCH]
// build: g++ -O2 -std=c++17 -I DEEPSTREAM/sources/includes -I CUDA/include benchmarks/nvidia_scaling.cpp
//            -L DEEPSTREAM/lib -lnvbufsurface -lnvbufsurftransform -L CUDA/lib64 -lcudart -o nvidia_scaling
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "nvbufsurface.h"
#include "nvbufsurftransform.h"

namespace {

struct Size {
    std::uint32_t width, height;
};

constexpr Size kFrames[] = {{1280, 720}, {1920, 1080}};
constexpr Size kNetworks[] = {{320, 320}, {640, 640}, {1280, 720}};
constexpr int kFilters[] = {0, 1, 2, 3};
constexpr int kRepeats = 20, kCallsPerRepeat = 20;

void require(bool is_good, const std::string& what) {
    if (!is_good) throw std::runtime_error(what);
}

class Surface {
   public:
    Surface(Size size, NvBufSurfaceColorFormat format, std::uint32_t batch) {
        NvBufSurfaceCreateParams wanted{};
        wanted.width = size.width;
        wanted.height = size.height;
        wanted.colorFormat = format;
        wanted.layout = NVBUF_LAYOUT_PITCH;
        wanted.memType = NVBUF_MEM_CUDA_DEVICE;
        require(NvBufSurfaceCreate(&surface_, batch, &wanted) == 0, "NvBufSurfaceCreate failed");
        surface_->numFilled = batch;
        NvBufSurfaceMemSet(surface_, -1, -1, 128);
    }
    Surface(const Surface&) = delete;
    Surface& operator=(const Surface&) = delete;
    ~Surface() { NvBufSurfaceDestroy(surface_); }
    NvBufSurface* get() const { return surface_; }

   private:
    NvBufSurface* surface_ = nullptr;
};

// Milliseconds per frame; negative where the library refuses the filter for these sizes.
double ms_per_frame(const Surface& frames, const Surface& network, Size from, Size to, int filter,
                    std::uint32_t batch) {
    NvBufSurfTransformRect source[1024]{}, target[1024]{};
    for (std::uint32_t n = 0; n < batch; ++n) {
        source[n].width = from.width, source[n].height = from.height;
        target[n].width = to.width, target[n].height = to.height;
    }
    NvBufSurfTransformParams how{};
    how.transform_flag =
        NVBUFSURF_TRANSFORM_FILTER | NVBUFSURF_TRANSFORM_CROP_SRC | NVBUFSURF_TRANSFORM_CROP_DST;
    how.transform_filter = static_cast<NvBufSurfTransform_Inter>(filter);
    how.src_rect = source;
    how.dst_rect = target;
    if (NvBufSurfTransform(frames.get(), network.get(), &how) != NvBufSurfTransformError_Success) return -1.0;
    double best = 1e30;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        for (int call = 0; call < kCallsPerRepeat; ++call) NvBufSurfTransform(frames.get(), network.get(), &how);
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
        best = std::min(best, took.count() / kCallsPerRepeat / batch);
    }
    return best;
}

void print_table(std::uint32_t batch) {
    cudaStream_t stream = nullptr;
    require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess, "no CUDA stream");
    NvBufSurfTransformConfigParams session{};
    session.compute_mode = NvBufSurfTransformCompute_GPU;
    session.cuda_stream = stream;
    require(NvBufSurfTransformSetSessionParams(&session) == NvBufSurfTransformError_Success, "no session");
    std::printf("| Frame | Network | Filter | ms per frame | Frames/s |\n|---|---|---:|---:|---:|\n");
    for (const Size from : kFrames) {
        const Surface frames(from, NVBUF_COLOR_FORMAT_NV12, batch);
        for (const Size to : kNetworks) {
            const Surface network(to, NVBUF_COLOR_FORMAT_RGB, batch);
            for (const int filter : kFilters) {
                const double ms = ms_per_frame(frames, network, from, to, filter, batch);
                std::printf("| %ux%u | %ux%u | %d | ", from.width, from.height, to.width, to.height, filter);
                if (ms < 0)
                    std::printf("refused | - |\n");
                else
                    std::printf("%.4f | %.0f |\n", ms, 1000.0 / ms);
                std::fflush(stdout);
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const int batch = argc > 1 ? std::atoi(argv[1]) : 16;
        require(batch >= 1 && batch <= 1024, "BATCH is 1 to 1024");
        print_table(static_cast<std::uint32_t>(batch));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
