// Runs a program of a linear model over the atoms of a graph.
#pragma once

#include <vector>

#include "driver.h"
#include "program_memory.h"

namespace acnn {

class Engine {
  public:
    Engine(Arrays arrays, const InstructionSet *kernels);

    // Energy programs: energies [n_centers], gradients [n_pairs, 3]; the stages' times are added to seconds [5] if given.
    template <class T, class I>
    void energies(const Graph<T, I> &graph, double *energies, T *gradients, int n_threads, double *seconds);

    // Programs of several members: energies [n_members, n_centers], gradients [n_members, n_pairs, 3], zero before, or null.
    template <class T>
    void members(const Graph<T> &graph, int64_t n_members, double *energies, T *gradients, int n_threads);

    // Basis programs. values, adjoints, derivatives: [n_centers, n_functions], zero before; directions: [n_pairs, 3].
    template <class T>
    void values(const Graph<T> &graph, int64_t n_functions, T *values, int n_threads);
    template <class T>
    void vjp(const Graph<T> &graph, int64_t n_functions, const T *adjoints, T *gradients, int n_threads);
    template <class T>
    void jvp(const Graph<T> &graph, int64_t n_functions, const T *directions, T *derivatives, int n_threads);

    // One structure without ghosts: adds to energy [n_functions], forces [3 n_atoms, n_functions], virial [6, n_functions].
    template <class T>
    void rows(const Graph<T> &graph, int64_t n_functions, T *energy, T *forces, T *virial);

    int64_t workspace_bytes() const { return driver_.workspace_bytes(); }

  private:
    Arrays arrays_;
    const InstructionSet *kernels_;
    Both<StoredProgram> programs_;
    std::vector<double> reference_energies_;
    Driver driver_;

    template <class T>
    const Program<T> &program() const {
        return in_precision<T>(programs_).program;
    }
    template <class T>
    const LaneKernels<T> &lanes() const {
        return in_precision<T>(*kernels_);
    }
    template <class T, class Work>
    void basis_run(const Graph<T> &graph, int64_t n_functions, T *gradients, int n_threads, const Work &work);
};

}  // namespace acnn
