// The loop over the batches of a graph, in threads: what the engines of all kinds of programs share.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "graph_batches.h"
#include "program_memory.h"

namespace acnn {

// What work has at hand for one batch.
template <class T>
struct Turn {
    Batch<T> &batch;
    Scratch &scratch;  // scratch.lanes: the center in each lane
    int thread;
    size_t part;  // see Loop

    void take_workspace(int64_t bytes) { batch.workspace = scratch.workspace(bytes); }
    double *take_energies(int64_t n) {
        scratch.energies.resize(n);
        return scratch.energies.data();
    }
    // The rows of n numbers from `first` on that belong to the lanes' centers; null for lanes without an atom.
    template <class Number>
    std::vector<Number *> lane_rows(Number *first, int64_t n) const {
        std::vector<Number *> rows;
        for (const int64_t center : scratch.lanes) rows.push_back(center < 0 ? nullptr : first + center * n);
        return rows;
    }
};

// How the batches of a graph are divided among threads.
template <class T>
struct Loop {
    const Program<T> &program;
    int width, n_threads;
    // Of pairs beyond every cutoff these are set to zero; null: of none.
    T *gradients = nullptr;
    // The batches of a part come one after the other, in the same order and of the same atoms for any number of threads.
    // 0: as many parts as keep the threads busy.
    int n_parts = 0;
};

class Driver {
  public:
    explicit Driver(const Arrays &arrays) : element_of_number_(element_index_of(arrays)) {}

    // Calls work for every batch of a graph. Throws GraphError, ElementError and what work throws.
    template <class T, class I>
    void run(const Graph<T, I> &graph, const Loop<T> &loop, const std::function<void(Turn<T>)> &work);

    // Memory that calls left for the next.
    int64_t workspace_bytes() const;

  private:
    std::vector<int32_t> element_of_number_;
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Frame>> idle_;

    // A frame in no other use, given back when the call ends in whatever way.
    class Loan;
};

// A program in both precisions.
template <template <class> class Stored>
struct Both {
    Stored<double> in_double;
    Stored<float> in_single;

    explicit Both(const Arrays &arrays) : in_double(arrays), in_single(arrays) {}
    template <class Kernels>
    Both(const Arrays &arrays, const Kernels &kernels)
        : in_double(arrays, kernels.in_double), in_single(arrays, kernels.in_single) {}
};

// Programs or kernels in the precision of T.
template <class T, class Both>
const auto &in_precision(const Both &both) {
    if constexpr (sizeof(T) == 8)
        return both.in_double;
    else
        return both.in_single;
}

}  // namespace acnn
