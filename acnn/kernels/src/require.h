// What callers must respect.
#pragma once

#include <stdexcept>

namespace acnn {

// Throws std::invalid_argument, in Python a ValueError.
inline void require(bool condition, const char *message) {
    if (!condition) throw std::invalid_argument(message);
}

}  // namespace acnn
