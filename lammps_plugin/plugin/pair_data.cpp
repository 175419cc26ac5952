#include "pair_data.h"

#include <algorithm>

namespace acnn {

namespace {

// Half of the pair's virial to either atom, as LAMMPS does for its own `mliap`.
void tally_halves(const double *v, double *vatom_i, double *vatom_j)
{
  for (int k = 0; k < 6; k++) {
    vatom_i[k] += 0.5 * v[k];
    vatom_j[k] += 0.5 * v[k];
  }
}

// All of r ⊗ g to the neighbor: e_i stays at the center i and changes by g·v_j when j moves, so that LAMMPS' heat flux
// Σ_j W_j v_j is the exact one, −Σ_ij r_ij (g_ij·v_j). Rows belong to r, columns to g.
void tally_centroid(const double *r, const double *g, double *cvatom_j)
{
  constexpr int row[9] = {0, 1, 2, 0, 0, 1, 1, 2, 2}, column[9] = {0, 1, 2, 1, 2, 2, 0, 0, 1};
  for (int k = 0; k < 9; k++) cvatom_j[k] -= r[row[k]] * g[column[k]];
}

}    // namespace

void PairData::add_pair_forces(const double *fij)
{
  const int *i = pair_i.get(), *j = pair_j.get();
  double sum[3] = {0.0, 0.0, 0.0};    // of the pairs of one center, which follow one another
  for (int ij = 0; ij < npairs; ij++) {
    const double *g = fij + 3 * std::size_t(ij);
    double *fj = f + 3 * std::size_t(j[ij]);
    for (int k = 0; k < 3; k++) {
      sum[k] += g[k];
      fj[k] -= g[k];
    }
    if (ij + 1 < npairs && i[ij + 1] == i[ij]) continue;
    for (int k = 0; k < 3; k++) {
      f[3 * std::size_t(i[ij]) + k] += sum[k];
      sum[k] = 0.0;
    }
  }
  if (virial || vatom || cvatom) tally_virials(fij);
}

void PairData::tally_virials(const double *fij)
{
  const double *r = rij.get();
  for (int ij = 0; ij < npairs; ij++, fij += 3, r += 3) {
    const int i = pair_i.get()[ij], j = pair_j.get()[ij];
    const double v[6] = {-r[0] * fij[0], -r[1] * fij[1], -r[2] * fij[2],
                         -r[0] * fij[1], -r[0] * fij[2], -r[1] * fij[2]};
    if (virial)
      for (int k = 0; k < 6; k++) virial[k] += v[k];
    if (vatom) tally_halves(v, vatom[i], vatom[j]);
    if (cvatom) tally_centroid(r, fij, cvatom[j]);
  }
}

void PairData::set_pair_energy(const double *eij)
{
  energy = 0.0;
  for (int ii = 0; ii < nlistatoms; ii++) {
    double sum = 0.0;
    for (int k = 0; k < numneighs.get()[ii]; k++) sum += *eij++;
    eatoms.get()[ii] = 0.5 * sum;
    energy += 0.5 * sum;
  }
}

std::size_t PairData::bytes() const
{
  return rij.bytes() + pair_i.bytes() + pair_j.bytes() + jelems.bytes() + iatoms.bytes() + ielems.bytes() +
         numneighs.bytes() + elems.bytes() + eatoms.bytes();
}

}    // namespace acnn
