// The lane kernels of the embedding with learnable tables: see linear_kernels.cpp.
#include "attention_adjoints.h"
#include "attention_layers.h"
#include "readout.h"

namespace {

template <class T>
int64_t bytes(const EmbeddingProgram<T> &program, int32_t n_slots) {
    const Batch<T> batch{0, n_slots, nullptr, nullptr, nullptr, nullptr};
    return Layers<Dualized<T>>(program, batch, nullptr, true).arena.used * (int64_t)sizeof(Vec<T>);
}

template <class T>
void values(const EmbeddingProgram<T> &program, const Batch<T> &batch, const T *theta, T *const *descriptors) {
    Layers<Plain<T>> layers(program, batch, theta, false);
    layers.forward(nullptr);
    store_rows<T>(layers.descriptors, 1, program.n_descriptors, descriptors);
}

template <class T>
void vjp(
    const EmbeddingProgram<T> &program, const Batch<T> &batch, const T *theta, const T *const *adjoints, T *gradients,
    double *theta_gradient) {
    Layers<Plain<T>> layers(program, batch, theta, true);
    layers.forward(nullptr);
    load_rows<T>(adjoints, program.n_descriptors, layers.descriptors, 1);
    layers.backward(gradients, theta_gradient);
    if (gradients) layers.store_gradients(gradients, false);
}

// With positions moved along the directions, the ε parts of the descriptors are their derivatives, and those of the adjoints
// of theta are the derivatives with respect to theta of Σ_p u_p · g_p, g = Σ_d v_d ∂D_d/∂r_p.
template <class T>
void dual(
    const EmbeddingProgram<T> &program, const Batch<T> &batch, const T *theta, const T *const *adjoints,
    const T *directions, T *const *derivatives, double *theta_gradient) {
    Layers<Dualized<T>> layers(program, batch, theta, true);
    layers.forward(directions);
    Vec<T> *rows = (Vec<T> *)layers.descriptors;
    store_rows<T>(rows + 1, 2, program.n_descriptors, derivatives);
    if (!theta_gradient) return;
    load_rows<T>(adjoints, program.n_descriptors, rows, 2);
    for (int64_t d = 0; d < program.n_descriptors; ++d) rows[2 * d + 1] = Vec<T>{};
    layers.backward(false, theta_gradient);
}

template <class T>
int64_t energy_bytes(const EmbeddingProgram<T> &program, const Readout<T> &readout, int32_t n_slots) {
    const Batch<T> batch{0, n_slots, nullptr, nullptr, nullptr, nullptr};
    Layers<Plain<T>> layers(program, batch, nullptr, true);
    ReadoutRows<T> rows(layers.arena, readout);
    return layers.arena.used * (int64_t)sizeof(Vec<T>);
}

// h of the last hidden layer without neighbors, with the roundings of `energy`: atoms without neighbors have exactly none.
template <class T>
void at_zero(const EmbeddingProgram<T> &program, const Readout<T> &readout, void *workspace, T *hidden) {
    const Batch<T> batch{0, 0, nullptr, nullptr, nullptr, workspace};
    Layers<Plain<T>> layers(program, batch, nullptr, true);
    ReadoutRows<T> rows(layers.arena, readout);
    for (int64_t d = 0; d < program.n_descriptors; ++d) layers.descriptors[d] = Vec<T>{};
    const Vec<T> *last = rows.forward(layers.descriptors);
    for (int i = 0; i < readout.hidden[readout.n_hidden - 1].outputs; ++i) hidden[i] = last[i][0];
}

template <class T>
void energy(
    const EmbeddingProgram<T> &program, const Readout<T> &readout, const Batch<T> &batch, const T *theta,
    double *energies, T *gradients, bool add) {
    Layers<Plain<T>> layers(program, batch, theta, true);
    ReadoutRows<T> rows(layers.arena, readout);
    layers.forward(nullptr);
    const DoubleSum<T> sum = rows.energy(layers.descriptors);
    for (int lane = 0; lane < Lane<T>::W; ++lane) energies[lane] = sum.lanes[lane];
    rows.backward(rows.level_off(energies), layers.descriptors);
    layers.backward(true, nullptr);
    layers.store_gradients(gradients, add);
}

template <class T>
constexpr EmbeddingKernels<T> table() {
    return {Lane<T>::W, bytes<T>, values<T>, vjp<T>, dual<T>, TILE, energy_bytes<T>, at_zero<T>, energy<T>};
}

}  // namespace

#define ACNN_CONCATENATE(a, b) a##b
#define ACNN_NAME(isa) ACNN_CONCATENATE(acnn_embedding_kernels_, isa)

extern "C" __attribute__((visibility("hidden"))) const acnn::EmbeddingInstructions *ACNN_NAME(ACNN_ISA)() {
    static const acnn::EmbeddingInstructions kernels = {table<double>(), table<float>()};
    return &kernels;
}
