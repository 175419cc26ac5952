// The lane kernels: compiled once per instruction set, named by ACNN_ISA. No header of the standard library that defines
// functions, nothing with external linkage but the table at the end.
#include <time.h>

#include "basis_functions.h"
#include "committee.h"
#include "densities.h"
#include "design_rows.h"
#include "products.h"

namespace {

template <class T>
int64_t energy_bytes(const Program<T> &program, int32_t element, int32_t n_slots) {
    return Workspace<T>(nullptr, program, program.elements[element], n_slots).rows * (int64_t)sizeof(Vec<T>);
}

// Adds to seconds[stage] the time since the last stage ended.
struct StageClock {
    double *seconds, last;

    explicit StageClock(double *seconds) : seconds(seconds), last(seconds ? now() : 0) {}

    static double now() {
        timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    }

    void end(int stage) {
        if (!seconds) return;
        const double time = now();
        seconds[stage] += time - last;
        last = time;
    }
};

template <class T>
void energy(const Program<T> &program, const Batch<T> &batch, double *energies, T *gradients, double *seconds) {
    const ElementProgram<T> &element = program.elements[batch.element];
    StageClock clock(seconds);
    Workspace<T> w((Vec<T> *)batch.workspace, program, element, batch.n_slots);
    Vec<T> pair_energy{};
    w.f[element.n_rows - 2] = w.f[element.n_rows - 1] = Vec<T>{};
    densities<T>(program, batch, w, pair_energy);
    clock.end(0);
    multiply<T>(element, w.f);
    clock.end(1);
    DoubleSum<T> twice{};
    quadratic_form<T>(element, w.f, w.bar, twice);
    clock.end(2);
    multiply_backward<T>(element, w.f, w.bar);
    clock.end(3);
    pair_gradients<T>(program, batch, w, gradients);
    clock.end(4);
    for (int lane = 0; lane < Lane<T>::W; ++lane) energies[lane] = 0.5 * twice.lanes[lane] + (double)pair_energy[lane];
}

template <class T>
constexpr LaneKernels<T> table() {
    return {Lane<T>::W,     energy_bytes<T>, energy<T>, members_bytes<T>, members<T>,
            basis_bytes<T>, values<T>,       vjp<T>,    jvp<T>,           rows<T>};
}

}  // namespace

#define ACNN_CONCATENATE(a, b) a##b
#define ACNN_NAME(isa) ACNN_CONCATENATE(acnn_linear_kernels_, isa)

extern "C" __attribute__((visibility("hidden"))) const acnn::InstructionSet *ACNN_NAME(ACNN_ISA)() {
    static const acnn::InstructionSet kernels = {table<double>(), table<float>()};
    return &kernels;
}
