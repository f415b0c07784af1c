// Copyright 2026 the deepstream-import authors. SPDX-License-Identifier: Apache-2.0
#ifndef DSEMBED_STREAMMUX_HPP
#define DSEMBED_STREAMMUX_HPP

#include <vector>

#include "interface.hpp"

// Returns `source` scaled bilinearly to the mux surface, its planes in `memory`. With padding the aspect ratio
// is kept and the picture centred between black bars.
Frame scale_to_mux(const Frame& source, const Mux& mux, std::vector<uint8_t>& memory);

#endif
