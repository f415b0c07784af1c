// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
//
// The grid cells that a network of some size has at several strides, in the order in which its rows lie: stride by
// stride, line by line. A stride that does not divide the network rounds up.
#pragma once

#include "detection_parser.hpp"

namespace detection_parser {

inline std::uint64_t cells_along(unsigned int side, unsigned int stride) {
    return (std::uint64_t{side} + stride - 1) / stride;
}

// Whether the tensor has one row for each cell. Says on stderr where it has not.
template <std::size_t Levels>
bool check_grid(const char* parser, const char* tensor, std::size_t rows, const NvDsInferNetworkInfo& network,
                const unsigned int (&strides)[Levels]) {
    std::uint64_t cells = 0;
    for (const unsigned int stride : strides) {
        cells += cells_along(network.width, stride) * cells_along(network.height, stride);
    }
    if (cells == rows) return true;
    std::fprintf(stderr, "%s: %s has %zu rows, but a network of %u x %u pixels has %llu cells\n", parser, tensor, rows,
                 network.width, network.height, static_cast<unsigned long long>(cells));
    return false;
}

// Calls visit(column, line, stride) for each cell, all three as floats.
template <std::size_t Levels, typename Visit>
void visit_cells(const NvDsInferNetworkInfo& network, const unsigned int (&strides)[Levels], Visit visit) {
    for (const unsigned int stride : strides) {
        const std::uint64_t columns = cells_along(network.width, stride);
        const std::uint64_t lines = cells_along(network.height, stride);
        for (std::uint64_t line = 0; line < lines; ++line) {
            for (std::uint64_t column = 0; column < columns; ++column) {
                visit(static_cast<float>(column), static_cast<float>(line), static_cast<float>(stride));
            }
        }
    }
}

}  // namespace detection_parser
