#include "embedding_memory.h"

#include <algorithm>
#include <stdexcept>

#include "graph_batches.h"

namespace acnn {

namespace {

// Weights [n_rows, n_columns] in tiles of columns [tiles, n_rows, tile], or those of the transposed matrix.
template <class T>
std::vector<T> tiled(const double *weights, int64_t n_rows, int64_t n_columns, bool transposed, int tile) {
    if (transposed) std::swap(n_rows, n_columns);
    std::vector<T> out((n_columns + tile - 1) / tile * tile * n_rows);
    for (int64_t column = 0; column < n_columns; ++column)
        for (int64_t row = 0; row < n_rows; ++row)
            out[(column / tile * n_rows + row) * tile + column % tile] =
                (T)(transposed ? weights[column * n_rows + row] : weights[row * n_columns + column]);
    return out;
}

template <class T>
std::vector<T> filled_up(const double *first, int64_t n, int tile) {
    std::vector<T> out((n + tile - 1) / tile * tile);
    for (int64_t i = 0; i < n; ++i) out[i] = (T)first[i];
    return out;
}

// The next n numbers of an array.
struct Reader {
    const std::vector<double> &source;
    size_t at = 0;

    const double *next(int64_t n) {
        if (n < 0 || at + n > source.size()) throw std::invalid_argument("a readout network has too few numbers");
        at += n;
        return source.data() + at - n;
    }
    void end() const {
        if (at != source.size()) throw std::invalid_argument("a readout network has too many numbers");
    }
};

}  // namespace

template <class T>
const T *StoredEmbedding<T>::keep(const std::vector<double> &source) {
    values.emplace_back(source.begin(), source.end());
    return values.back().data();
}

template <class T>
StoredEmbedding<T>::StoredEmbedding(const Arrays &arrays)
    : radial(arrays, "", arrays.of_int("sizes").at(0) * arrays.of_int("sizes").at(0)) {
    const auto &sizes = arrays.of_int("sizes");
    Program<T> &shared = program.shared;
    shared.n_elements = sizes.at(0);
    shared.l_max = sizes.at(1);
    program.n_channels = sizes.at(2);
    program.n_radial = sizes.at(3);
    program.n_heads = sizes.at(4);
    program.n_layers = sizes.at(5);
    if (program.n_layers > MOST_LAYERS) throw std::invalid_argument("at most eight layers of attention");
    shared.cutoff = shared.reach = (T)arrays.of_real("cutoff").at(0);
    const T *recurrence = keep(arrays.of_real("recurrence"));
    shared.recurrence = {recurrence, recurrence + program.n_radial, recurrence + 2 * program.n_radial};
    const auto n_harmonics = arrays.of_real("harmonics").size() / 3;
    shared.alpha = keep(arrays.of_real("harmonics"));
    shared.beta = shared.alpha + n_harmonics;
    shared.slope = shared.beta + n_harmonics;
    program.transforms = radial.transforms.data();
    program.tables = radial.first_table();
    program.inner = keep(arrays.of_real("inner"));
    program.inner_width = program.inner + (int64_t)shared.n_elements * shared.n_elements;
    program.inverse_root = keep(arrays.of_real("inverse_root"));
    program.term_start = arrays.of_int("term_start").data();
    program.n_invariants = (int32_t)arrays.of_int("term_start").size() - 1;
    program.factors = arrays.of_int("factors").data();
    program.coefficients = keep(arrays.of_real("coefficients"));
    program.product_components = arrays.of_int("product_components").data();
    program.product_start = arrays.of_int("product_start").data();
    program.product_factors = arrays.of_int("product_factors").data();
    program.product_coefficients = keep(arrays.of_real("product_coefficients"));
    program.n_components = (int32_t)arrays.of_int("product_start").size() - 1;
    program.n_couplings = program.n_components ? program.product_components[2 * program.n_components - 2] + 1 : 0;

    const int64_t C = program.n_channels, L1 = shared.l_max + 1, N = program.n_radial, H = program.n_heads;
    const int64_t pairs = (int64_t)shared.n_elements * shared.n_elements, K = program.n_layers;
    program.n_descriptors = (K + 1) * (C + L1 * (C * (C + 1) / 2) + program.n_invariants * C);
    const int64_t seen = program.n_couplings ? 2 * C : C;
    program.n_theta =
        (K + 1) * pairs * N * L1 * C + K * (pairs * (H + N * H) + L1 * (seen + C) * H + program.n_couplings * C);
}

// At the start of a cache line.
template <class T>
const T *StoredNetwork<T>::keep(const std::vector<T> &source) {
    constexpr size_t LINE = 64;
    values_.emplace_back(source.size() + LINE / sizeof(T));
    auto &memory = values_.back();
    const size_t past = reinterpret_cast<uintptr_t>(memory.data()) % LINE;
    T *first = memory.data() + (LINE - past) % LINE / sizeof(T);
    std::copy(source.begin(), source.end(), first);
    return first;
}

template <class T>
StoredNetwork<T>::StoredNetwork(const Arrays &arrays, const EmbeddingKernels<T> &lanes) : embedding(arrays) {
    const EmbeddingProgram<T> &program = embedding.program;
    const auto &tables = arrays.of_real("theta");
    if ((int64_t)tables.size() != program.n_theta) throw std::invalid_argument("theta has another number of values");
    theta.assign(tables.begin(), tables.end());
    const auto &widths = arrays.of_int("widths");
    if (widths.empty()) throw std::invalid_argument("a readout network has at least one hidden layer");
    Reader weights{arrays.of_real("weights")}, biases{arrays.of_real("biases")}, skips{arrays.of_real("skip")},
        outs{arrays.of_real("out")}, bounds{arrays.of_real("bounds")};
    const int tile = lanes.tile;
    Scratch scratch;
    for (int z = 0; z < program.shared.n_elements; ++z) {
        std::vector<Dense<T>> hidden;
        int64_t n_in = program.n_descriptors;
        for (const int32_t width : widths) {
            if (width < 1) throw std::invalid_argument("a hidden layer has at least one output");
            const double *matrix = weights.next(n_in * width);
            const T *forward = keep(tiled<T>(matrix, n_in, width, false, tile));
            const T *back = keep(tiled<T>(matrix, n_in, width, true, tile));
            hidden.push_back(
                {(int32_t)n_in, width, forward, back, keep(filled_up<T>(biases.next(width), width, tile))});
            n_in = width;
        }
        layers_.push_back(std::move(hidden));
        const T *skip = keep(filled_up<T>(skips.next(program.n_descriptors), program.n_descriptors, tile));
        const T *out = keep(filled_up<T>(outs.next(n_in), n_in, tile));
        std::vector<T> at_zero(n_in);
        const double *bound = bounds.next(2);
        Readout<T> readout{(int32_t)widths.size(), layers_.back().data(), skip, out, nullptr, bound[0], bound[1]};
        lanes.at_zero(program, readout, scratch.workspace(lanes.energy_bytes(program, readout, 0)), at_zero.data());
        readout.at_zero = keep(at_zero);
        readouts.push_back(readout);
    }
    weights.end();
    biases.end();
    skips.end();
    outs.end();
    bounds.end();
}

template struct StoredEmbedding<double>;
template struct StoredEmbedding<float>;
template struct StoredNetwork<double>;
template struct StoredNetwork<float>;

}  // namespace acnn
