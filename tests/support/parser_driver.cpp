// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// Calls a parser library as nvinfer does, once per case on stdin, and writes its answers to stdout.
// usage: parser_driver LIBRARY SYMBOL
#include <dlfcn.h>

#include "parser_case.hpp"

namespace {

void run_case(NvDsInferParseCustomFunc parse) {
    parser_case::Case frame = parser_case::read_case();
    std::vector<float>& thresholds = frame.thresholds;
    const NvDsInferParseDetectionParams params = {frame.classes, thresholds, thresholds, thresholds};
    std::vector<NvDsInferObjectDetectionInfo> objects;
    const std::uint32_t accepted = parse(frame.layers, frame.network, params, objects) ? 1 : 0;
    const auto count = static_cast<std::uint32_t>(objects.size());
    std::fwrite(&accepted, sizeof accepted, 1, stdout);
    std::fwrite(&count, sizeof count, 1, stdout);
    if (count != 0) std::fwrite(objects.data(), sizeof(NvDsInferObjectDetectionInfo), count, stdout);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    void* library = dlopen(argv[1], RTLD_LAZY);
    void* symbol = library == nullptr ? nullptr : dlsym(library, argv[2]);
    if (symbol == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    for (std::uint32_t cases = parser_case::read_u32(); cases > 0; --cases) {
        run_case(reinterpret_cast<NvDsInferParseCustomFunc>(symbol));
    }
    return 0;
}
