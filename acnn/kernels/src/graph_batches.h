// Cuts a graph into batches: atoms of one element with similar numbers of neighbors, which the lane kernels take together.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "program_views.h"

namespace acnn {

// I: int64_t as in torch, or int32_t as in LAMMPS.
template <class T, class I = int64_t>
struct Graph {
    int64_t n_atoms, n_centers, n_pairs;
    const I *species, *pair_i, *pair_j;  // species [n_atoms], pair_i ascending
    const T *vectors;                    // [n_pairs, 3]
};

// What is wrong with a graph; the message is for people.
struct GraphError : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// An atom of an element the program does not know.
struct ElementError : std::invalid_argument {
    int64_t number;
    explicit ElementError(int64_t number) : std::invalid_argument("unknown element"), number(number) {}
};

// Segment of a pair, -1 for out of reach, and its rank among those of its center.
struct Place {
    int32_t segment, rank;
};

// Per-thread memory that is kept between calls.
struct Scratch {
    std::vector<int64_t> lanes;                      // the center in each lane, -1 for none
    std::vector<int64_t> pair;                       // [n_slots, width]
    std::vector<int32_t> segment_end;                // [2 n_elements], and as much for where segments begin
    std::vector<Place> places;                       // of the window's pairs
    std::vector<int64_t> segment_start;              // where those of each center begin
    std::vector<int32_t> counts;                     // [n, 2 n_elements]
    std::vector<std::pair<int64_t, int64_t>> order;  // sort key and position of each center
    std::vector<double> energies;
    std::unique_ptr<char[]> memory;
    int64_t capacity = 0;

    void *workspace(int64_t bytes);
};

// Centers of one element that are sorted and batched together: first … last of Frame::centers.
struct Window {
    int32_t element;
    int64_t first, last;
};

// Per-call memory that is kept between calls.
struct Frame {
    std::vector<int32_t> element;        // of every atom
    std::vector<int64_t> first_pair;     // [n_centers + 1]
    std::vector<int64_t> centers;        // by element
    std::vector<int64_t> element_start;  // [n_elements + 1] into centers
    std::vector<Window> windows;
    std::vector<Scratch> scratch;
};

// Elements of the atoms, pairs of every center, and the windows that threads take. Throws GraphError, ElementError.
template <class T, class I>
void index_graph(
    const Graph<T, I> &graph, const std::vector<int32_t> &element_of_number, int n_elements, int width, int n_threads,
    Frame &frame);

// Calls action(batch) for the batches of one window; scratch.lanes says which centers are in it. Gradients of pairs beyond
// every cutoff are set to zero if there are any.
template <class T, class I>
void for_each_batch(
    const Graph<T, I> &graph, const Program<T> &program, int width, const Frame &frame, const Window &window,
    Scratch &scratch, T *gradients, const std::function<void(Batch<T> &)> &action);

}  // namespace acnn
