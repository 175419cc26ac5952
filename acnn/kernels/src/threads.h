// Threads of one call.
#pragma once

#include <functional>

namespace acnn {

// work(0) … work(n_threads - 1), each in a thread; what one of them throws is thrown here.
void run_threads(int n_threads, const std::function<void(int)> &work);

}  // namespace acnn
