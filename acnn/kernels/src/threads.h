// Threads of one call, and the memory that calls leave for the next.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "graph_batches.h"

namespace acnn {

// work(0) … work(n_threads - 1), each in a thread; what one of them throws is thrown here.
void run_threads(int n_threads, const std::function<void(int)> &work);

// Frames that are in no use.
class Frames {
  public:
    std::unique_ptr<Frame> borrow();
    void give_back(std::unique_ptr<Frame> frame);
    int64_t bytes() const;

  private:
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Frame>> idle_;
};

}  // namespace acnn
