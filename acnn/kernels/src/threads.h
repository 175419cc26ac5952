// Threads that wait for work between calls.
#pragma once

#include <functional>

namespace acnn {

// Calls work(0) here and work(1) … work(n_threads - 1) in other threads, as far as there are any before work(0) ends: they
// share what is to be done. What one of them throws is thrown here.
//
// The threads wait until the process ends, taking no time. Calls from several threads have threads of their own each; a
// forked process starts with none.
void run_threads(int n_threads, const std::function<void(int)> &work);

}  // namespace acnn
