#include "graph_batches.h"

#include <algorithm>
#include <limits>

namespace acnn {

namespace {

constexpr int64_t WINDOW = 1024;  // centers that are sorted and batched together
constexpr int ALIGNMENT = 64;

template <class T, class I>
[[noreturn]] void reject_vector(const Graph<T, I> &graph, int64_t pair) {
    throw GraphError(
        "the vector from atom " + std::to_string(graph.pair_i[pair]) + " to its neighbor " +
        std::to_string(graph.pair_j[pair]) +
        " is zero, infinite or not a number: two atoms coincide (move or remove one), or a position is not finite");
}

template <class T, class I>
void find_elements(const Graph<T, I> &graph, const std::vector<int32_t> &element_of_number, Frame &frame) {
    frame.element.resize(graph.n_atoms);
    for (int64_t i = 0; i < graph.n_atoms; ++i) {
        const int64_t number = graph.species[i];
        const bool known = number >= 0 && number < (int64_t)element_of_number.size();
        const int32_t element = known ? element_of_number[number] : -1;
        if (element < 0) throw ElementError(number);
        frame.element[i] = element;
    }
}

template <class T, class I>
void find_pairs(const Graph<T, I> &graph, Frame &frame) {
    frame.first_pair.resize(graph.n_centers + 1);
    int64_t center = 0;
    frame.first_pair[0] = 0;
    for (int64_t p = 0; p < graph.n_pairs; ++p) {
        const int64_t i = graph.pair_i[p];
        if (i == center && i < graph.n_centers) continue;
        if (i < center) throw GraphError("the pairs of a graph must be sorted by center (pair_i ascending)");
        if (i >= graph.n_centers)
            throw GraphError("pair " + std::to_string(p) + " has a center that is not in the graph");
        while (center < i) frame.first_pair[++center] = p;
    }
    while (center < graph.n_centers) frame.first_pair[++center] = graph.n_pairs;
}

void sort_by_element(int n_elements, int64_t n_centers, Frame &frame) {
    auto &start = frame.element_start;
    start.assign(n_elements + 2, 0);
    for (int64_t i = 0; i < n_centers; ++i) ++start[frame.element[i] + 2];
    for (int z = 2; z < n_elements + 2; ++z) start[z] += start[z - 1];
    frame.centers.resize(n_centers);
    for (int64_t i = 0; i < n_centers; ++i) frame.centers[start[frame.element[i] + 1]++] = i;
}

// Which centers are batched together: few enough that every thread gets some, of whole batches.
void cut_windows(int n_elements, int64_t n_centers, int n_threads, int width, Frame &frame) {
    const int64_t share = (n_centers + n_threads - 1) / n_threads;
    const int64_t size = std::max<int64_t>(width, std::min(WINDOW, (share + width - 1) / width * width));
    frame.windows.clear();
    for (int z = 0; z < n_elements; ++z)
        for (int64_t first = frame.element_start[z]; first < frame.element_start[z + 1]; first += size)
            frame.windows.push_back({z, first, std::min(first + size, frame.element_start[z + 1])});
}

// For every pair of the window's centers its segment of slots (near by element, then far by element, -1 out of reach),
// and for every center the pairs in each segment.
template <class T, class I>
void classify(
    const Graph<T, I> &graph, const Program<T> &program, const Frame &frame, const Window &window, Scratch &scratch,
    T *gradients) {
    const int n_elements = program.n_elements, n_segments = 2 * n_elements;
    const T near = program.cutoff * program.cutoff, reach = program.reach * program.reach,
            largest = std::numeric_limits<T>::max();
    const int64_t *centers = frame.centers.data() + window.first, n = window.last - window.first;
    int64_t n_pairs = 0;
    scratch.segment_start.resize(n);
    for (int64_t c = 0; c < n; ++c) {
        scratch.segment_start[c] = n_pairs;
        n_pairs += frame.first_pair[centers[c] + 1] - frame.first_pair[centers[c]];
    }
    scratch.places.resize(n_pairs);
    scratch.counts.assign(n * n_segments, 0);
    for (int64_t c = 0; c < n; ++c) {
        Place *place = scratch.places.data() + scratch.segment_start[c];
        int32_t *counts = scratch.counts.data() + c * n_segments;
        for (int64_t p = frame.first_pair[centers[c]]; p < frame.first_pair[centers[c] + 1]; ++p) {
            const int64_t j = graph.pair_j[p];
            if (j < 0 || j >= graph.n_atoms)
                throw GraphError("pair " + std::to_string(p) + " has a neighbor that is not in the graph");
            const T *v = graph.vectors + 3 * p;
            const T square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
            if (!(square > 0 && square <= largest)) reject_vector(graph, p);
            if (square >= reach) {
                *place++ = {-1, 0};
                if (gradients) std::fill(gradients + 3 * p, gradients + 3 * p + 3, (T)0);
                continue;
            }
            const int32_t s = frame.element[j] + (square < near ? 0 : n_elements);
            *place++ = {s, counts[s]++};
        }
    }
}

// Centers with many neighbors first, those of like numbers together: the fewer slots stay empty. The first five segments
// decide.
void sort_centers(int64_t n, int n_segments, Scratch &scratch) {
    constexpr int64_t MOST = 4095;
    scratch.order.resize(n);
    for (int64_t c = 0; c < n; ++c) {
        int64_t key = 0;
        for (int s = 0; s < std::min(n_segments, 5); ++s)
            key = 4096 * key + MOST - std::min<int64_t>(MOST, scratch.counts[c * n_segments + s]);
        scratch.order[c] = {key, c};
    }
    std::sort(scratch.order.begin(), scratch.order.end());
}

// Slots of the lanes `first` … of the sorted centers; returns their number.
int32_t fill_slots(
    const Frame &frame, const int64_t *centers, int64_t first, int n_lanes, int width, int n_segments,
    Scratch &scratch) {
    scratch.segment_end.resize(2 * n_segments);
    int32_t *end = scratch.segment_end.data(), *begin = end + n_segments, slots = 0;
    for (int s = 0; s < n_segments; ++s) {
        int32_t most = 0;
        for (int lane = 0; lane < n_lanes; ++lane)
            most = std::max(most, scratch.counts[scratch.order[first + lane].second * n_segments + s]);
        begin[s] = slots;
        slots += most;
        end[s] = slots;
    }
    scratch.pair.assign((size_t)slots * width, -1);
    scratch.lanes.assign(width, -1);
    for (int lane = 0; lane < n_lanes; ++lane) {
        const int64_t c = scratch.order[first + lane].second;
        scratch.lanes[lane] = centers[c];
        const Place *place = scratch.places.data() + scratch.segment_start[c];
        int64_t *pair = scratch.pair.data() + lane;
        for (int64_t p = frame.first_pair[centers[c]]; p < frame.first_pair[centers[c] + 1]; ++p, ++place)
            if (place->segment >= 0) pair[(int64_t)(begin[place->segment] + place->rank) * width] = p;
    }
    return slots;
}

}  // namespace

void *Scratch::workspace(int64_t bytes) {
    if (bytes + ALIGNMENT > capacity) {
        memory.reset(new char[bytes + ALIGNMENT]);
        capacity = bytes + ALIGNMENT;
    }
    const auto address = reinterpret_cast<uintptr_t>(memory.get());
    return memory.get() + (ALIGNMENT - address % ALIGNMENT) % ALIGNMENT;
}

template <class T, class I>
void index_graph(
    const Graph<T, I> &graph, const std::vector<int32_t> &element_of_number, int n_elements, int width, int n_threads,
    Frame &frame) {
    find_elements(graph, element_of_number, frame);
    find_pairs(graph, frame);
    sort_by_element(n_elements, graph.n_centers, frame);
    cut_windows(n_elements, graph.n_centers, n_threads, width, frame);
}

template <class T, class I>
void for_each_batch(
    const Graph<T, I> &graph, const Program<T> &program, int width, const Frame &frame, const Window &window,
    Scratch &scratch, T *gradients, const std::function<void(Batch<T> &)> &action) {
    const int n_segments = 2 * program.n_elements;
    const int64_t *centers = frame.centers.data() + window.first, n = window.last - window.first;
    classify(graph, program, frame, window, scratch, gradients);
    sort_centers(n, n_segments, scratch);
    for (int64_t first = 0; first < n; first += width) {
        const int n_lanes = (int)std::min<int64_t>(width, n - first);
        const int32_t slots = fill_slots(frame, centers, first, n_lanes, width, n_segments, scratch);
        Batch<T> batch{window.element, slots, scratch.segment_end.data(), scratch.pair.data(), graph.vectors, nullptr};
        action(batch);
    }
}

#define ACNN_INSTANTIATE(T, I)                                                                                  \
    template void index_graph<T, I>(const Graph<T, I> &, const std::vector<int32_t> &, int, int, int, Frame &); \
    template void for_each_batch<T, I>(                                                                         \
        const Graph<T, I> &, const Program<T> &, int, const Frame &, const Window &, Scratch &, T *,            \
        const std::function<void(Batch<T> &)> &);
ACNN_INSTANTIATE(double, int64_t)
ACNN_INSTANTIATE(float, int64_t)
ACNN_INSTANTIATE(double, int32_t)
ACNN_INSTANTIATE(float, int32_t)

}  // namespace acnn
