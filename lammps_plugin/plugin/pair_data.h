// The atoms and pairs of one step, as LAMMPS' `mliap unified` models see them. Knows Python and no LAMMPS.
#pragma once

#include "interpreter.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace acnn {

// Memory that grows and never shrinks. Arrays that show it keep it alive, also when the buffer has moved on.
template <typename T> class Buffer {
 public:
  // The contents are lost; pages that nobody writes cost nothing.
  T *resize(std::size_t n)
  {
    if (n > capacity || !memory) {
      capacity = n + n / 8 + 16;
      memory.reset(new T[capacity]);
    }
    return memory.get();
  }
  T *get() const { return memory.get(); }
  const std::shared_ptr<T[]> &owner() const { return memory; }
  std::size_t bytes() const { return capacity * sizeof(T); }

 private:
  std::shared_ptr<T[]> memory;
  std::size_t capacity = 0;
};

// ii counts centers, ij pairs; i and j are local indices of LAMMPS, j and elems include ghosts.
struct PairData {
  int ntotal = 0, nlocal = 0, nlistatoms = 0, npairs = 0;
  int nelements = 0, ndescriptors = 0, nparams = 0;
  int eflag = 0, vflag = 0;
  const char *units = "";    // LAMMPS' unit style

  Buffer<double> rij;                       // (npairs, 3): x_j - x_i
  Buffer<int> pair_i, pair_j, jelems;       // (npairs)
  Buffer<int> iatoms, ielems, numneighs;    // (nlistatoms)
  Buffer<int> elems;                        // (ntotal): -1 for types without element
  Buffer<double> eatoms;                    // (nlistatoms)
  double energy = 0.0;

  double *f = nullptr;          // (ntotal, 3): LAMMPS' own
  double *virial = nullptr;     // (6) xx yy zz xy xz yz, where LAMMPS asks for the pairs' sum
  double **vatom = nullptr;     // (ntotal)(6), where LAMMPS asks for it
  double **cvatom = nullptr;    // (ntotal)(9) and yx zx zy, as centroid virials, where it asks for them
  std::vector<std::pair<const char *, double *>> rooms;    // (nlocal) see pair_rooms.cpp
  bool active = false;                                     // true during a call of the model

  void add_pair_forces(const double *fij);    // (npairs, 3): +dE/dr_ij
  void tally_virials(const double *fij);
  void set_pair_energy(const double *eij);    // (npairs): half of it belongs to the center
  std::size_t bytes() const;
};

// The Python object `data` that shows a PairData. It must be told when the PairData goes.
Object make_data_object(PairData &data);
void detach_data_object(PyObject *object);

}    // namespace acnn
