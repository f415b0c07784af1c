// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// A custom parser's library, and the checks that its objects are of the size that this host reads.
#ifndef DSEMBED_PARSER_LIBRARY_HPP
#define DSEMBED_PARSER_LIBRARY_HPP

#include <dlfcn.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "nvdsinfer_custom_impl.h"

class ParserError : public std::exception {
public:
    explicit ParserError(std::string reason) : reason_(std::move(reason)) {}
    const char* what() const noexcept override { return reason_.c_str(); }

private:
    std::string reason_;
};

class ParserLibrary {
public:
    using Objects = std::vector<NvDsInferObjectDetectionInfo>;

    ParserLibrary(const char* path, const char* symbol) : library_(dlopen(path, RTLD_LAZY | RTLD_LOCAL)) {
        if (!library_) {
            throw ParserError(dlerror());
        }
        parse_ = reinterpret_cast<NvDsInferParseCustomFunc>(dlsym(library_.get(), symbol));
        if (!parse_) {
            throw ParserError(dlerror());
        }
        // Our own parsers say their size; of others only the objects themselves can tell.
        const void* stated = dlsym(library_.get(), "NvDsInferParseObjectBytes");
        if (stated && *static_cast<const unsigned*>(stated) != kObjectBytes) {
            throw ParserError(std::string(path) + " writes objects of " +
                              std::to_string(*static_cast<const unsigned*>(stated)) + " bytes, DeepStream 9's have " +
                              kAdvice);
        }
    }

    // Returns what the parser returns. Throws ParserError for objects of another size, and what the parser throws.
    bool parse(const std::vector<NvDsInferLayerInfo>& layers, const NvDsInferNetworkInfo& network,
               const NvDsInferParseDetectionParams& params, Objects& objects) const {
        auto found = std::make_unique<Objects>();
        const bool parsed = parse_(layers, network, params, *found);
        if (!holds_whole_objects(*found)) {
            static_cast<void>(found.release());  // of another type in truth, so nothing that could be destroyed
            throw ParserError("the parser's objects are not of DeepStream 9's " + std::string(kAdvice));
        }
        objects.swap(*found);
        return parsed;
    }

private:
    struct Closer {
        void operator()(void* handle) const { dlclose(handle); }
    };

    static constexpr std::size_t kObjectBytes = sizeof(NvDsInferObjectDetectionInfo);
    static_assert(kObjectBytes == 28);
    static constexpr char kAdvice[] = "28 bytes, rebuild it with OBJECT_BYTES=28";

    // Reads the vector's own words, since size() means nothing for objects of another size. In GCC's and in
    // LLVM's library they are the first object, the end of the last one and the end of the memory.
    static bool holds_whole_objects(const Objects& objects) {
        std::array<std::uintptr_t, 3> words;
        static_assert(sizeof(words) == sizeof(Objects));
        std::memcpy(words.data(), &objects, sizeof(words));
        return (words[1] - words[0]) % kObjectBytes == 0 && (words[2] - words[0]) % kObjectBytes == 0;
    }

    std::unique_ptr<void, Closer> library_;
    NvDsInferParseCustomFunc parse_ = nullptr;
};

#endif
