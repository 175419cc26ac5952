#include "threads.h"

#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace acnn {

void run_threads(int n_threads, const std::function<void(int)> &work) {
    std::vector<std::exception_ptr> errors(n_threads);
    const auto guarded = [&](int thread) {
        try {
            work(thread);
        } catch (...) {
            errors[thread] = std::current_exception();
        }
    };
    std::vector<std::thread> threads;
    try {
        for (int thread = 1; thread < n_threads; ++thread) threads.emplace_back(guarded, thread);
    } catch (const std::system_error &) {
        // The system has no more threads: those there are share the work.
    }
    guarded(0);
    for (auto &thread : threads) thread.join();
    for (const auto &error : errors)
        if (error) std::rethrow_exception(error);
}

}  // namespace acnn
