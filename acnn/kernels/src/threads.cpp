#include "threads.h"

#include <exception>
#include <system_error>
#include <thread>

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

std::unique_ptr<Frame> Frames::borrow() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (idle_.empty()) return std::make_unique<Frame>();
    auto frame = std::move(idle_.back());
    idle_.pop_back();
    return frame;
}

void Frames::give_back(std::unique_ptr<Frame> frame) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(frame));
}

int64_t Frames::bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    int64_t total = 0;
    for (const auto &frame : idle_)
        for (const auto &scratch : frame->scratch) total += scratch.capacity;
    return total;
}

}  // namespace acnn
