#include "driver.h"

#include <algorithm>
#include <atomic>

#include "require.h"
#include "threads.h"

namespace acnn {

class Driver::Loan {
  public:
    explicit Loan(Driver &driver) : driver_(driver) {
        const std::lock_guard<std::mutex> lock(driver_.mutex_);
        if (driver_.idle_.empty()) {
            frame_ = std::make_unique<Frame>();
        } else {
            frame_ = std::move(driver_.idle_.back());
            driver_.idle_.pop_back();
        }
    }
    ~Loan() {
        const std::lock_guard<std::mutex> lock(driver_.mutex_);
        driver_.idle_.push_back(std::move(frame_));
    }
    Loan(const Loan &) = delete;
    Loan &operator=(const Loan &) = delete;
    Frame &frame() { return *frame_; }

  private:
    Driver &driver_;
    std::unique_ptr<Frame> frame_;
};

template <class T, class I>
void Driver::run(const Graph<T, I> &graph, const Loop<T> &loop, const std::function<void(Turn<T>)> &work) {
    require(loop.n_threads >= 1, "at least one thread is needed");
    Loan loan(*this);
    Frame &frame = loan.frame();
    const int n_shares = loop.n_parts ? loop.n_parts : loop.n_threads;
    index_graph(graph, element_of_number_, loop.program.n_elements, loop.width, n_shares, frame);
    const size_t n_windows = frame.windows.size(), n_parts = loop.n_parts ? loop.n_parts : n_windows;
    const int n_threads = std::max(1, std::min<int>(loop.n_threads, (int)std::min(n_parts, n_windows)));
    if ((int)frame.scratch.size() < n_threads) frame.scratch.resize(n_threads);
    std::atomic<size_t> next{0};
    run_threads(n_threads, [&](int thread) {
        Scratch &scratch = frame.scratch[thread];
        for (size_t part = next++; part < n_parts; part = next++)
            for (size_t w = part; w < n_windows; w += n_parts)
                for_each_batch<T, I>(
                    graph, loop.program, loop.width, frame, frame.windows[w], scratch, loop.gradients,
                    [&](Batch<T> &batch) { work({batch, scratch, thread, part}); });
    });
}

int64_t Driver::workspace_bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    int64_t total = 0;
    for (const auto &frame : idle_)
        for (const auto &scratch : frame->scratch) total += scratch.capacity;
    return total;
}

#define ACNN_INSTANTIATE(T, I) \
    template void Driver::run<T, I>(const Graph<T, I> &, const Loop<T> &, const std::function<void(Turn<T>)> &);
ACNN_INSTANTIATE(double, int64_t)
ACNN_INSTANTIATE(float, int64_t)
ACNN_INSTANTIATE(double, int32_t)
ACNN_INSTANTIATE(float, int32_t)

}  // namespace acnn
