#include "pair_mliap_unified.h"

#include "bonded.h"

#include "heat_flux.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neighbor.h"
#include "utils.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

using namespace LAMMPS_NS;

namespace acnn {

PairMLIAPUnified::Creator PairMLIAPUnified::builtin = nullptr;

namespace {

std::string listed(const std::vector<std::string> &words)
{
  std::string text;
  for (const auto &word : words) text += " " + word;
  return text;
}

}    // namespace

PairMLIAPUnified::PairMLIAPUnified(LAMMPS *lmp) : Pair(lmp)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  centroidstressflag = CENTROID_AVAIL;
}

PairMLIAPUnified::~PairMLIAPUnified()
{
  unload_model();
  if (!allocated) return;
  memory->destroy(setflag);
  memory->destroy(cutsq);    // map belongs to the base class
}

// --- errors --------------------------------------------------------------------------------------------------

// Ends the run from any rank. The other ranks may be waiting for this one, so where there are others only an abort
// ends them: an exception of LAMMPS would become one of this rank alone where the program is Python.
void PairMLIAPUnified::stop(const std::string &message)
{
  if (comm->nprocs == 1) error->all(FLERR, message);
  for (std::FILE *file : {stderr, logfile})
    if (file) std::fprintf(file, "ERROR on proc %d: %s\n", comm->me, message.c_str());
  std::fflush(nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));    // for mpiexec to pass the message on
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::abort();    // not reached
}

// For what all ranks do at the same time: if it fails on some, all stop with the first one's message.
void PairMLIAPUnified::on_all_ranks(const std::function<void()> &action)
{
  std::string message;
  try {
    action();
  } catch (const std::runtime_error &failure) {
    message = failure.what();
  }
  int mine = message.empty() ? comm->nprocs : comm->me, first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == comm->nprocs) return;
  int length = static_cast<int>(message.size());
  MPI_Bcast(&length, 1, MPI_INT, first, world);
  message.resize(length);
  MPI_Bcast(message.data(), length, MPI_CHAR, first, world);
  error->all(FLERR, message);
}

// --- input ---------------------------------------------------------------------------------------------------

void PairMLIAPUnified::settings(int narg, char **arg)
{
  if (narg > 0 && std::strcmp(arg[0], "unified") != 0) return hand_over_to_builtin(narg, arg);
  if (narg < 2 || narg > 3) error->all(FLERR, std::string("usage: pair_style mliap unified FILE [0]"));
  if (narg == 3 && utils::logical(FLERR, arg[2], false, lmp))
    error->all(FLERR, std::string("pair_style mliap unified: ghostneigh must be 0, neighbors of ghosts are not built"));
  load_model(arg[1]);
}

// `mliap model ... descriptor ...` is the style this one replaced: it takes this one's place.
void PairMLIAPUnified::hand_over_to_builtin(int narg, char **arg)
{
  if (!builtin || force->pair != this)
    error->all(FLERR, std::string("the plugin for pair_style mliap knows 'unified' only, and inside a hybrid style it "
                                  "cannot step aside: use 'unified', or start LAMMPS without the plugin"));
  const std::unique_ptr<Pair> self(this);    // goes when this function ends
  force->pair = builtin(lmp);
  force->pair->settings(narg, arg);
}

void PairMLIAPUnified::load_model(const std::string &file)
{
  unload_model();
  if (allocated) clear_types();
  on_all_ranks([&] {
    require_interpreter();
    const Lock lock;
    model = std::make_unique<Model>(file);
  });
  data.nelements = static_cast<int>(model->elements().size());
  data.ndescriptors = model->ndescriptors();
  data.nparams = model->nparams();
}

void PairMLIAPUnified::unload_model()
{
  if (!model) return;
  if (!Py_IsInitialized()) {    // Python ended before LAMMPS, and took the model along
    model.release();
    return;
  }
  const Lock lock;
  model.reset();
}

void PairMLIAPUnified::allocate()
{
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  map = new int[n];
  allocated = 1;
  clear_types();
}

void PairMLIAPUnified::clear_types()
{
  for (int i = 0; i <= atom->ntypes; i++) std::fill_n(setflag[i], atom->ntypes + 1, 0);
}

void PairMLIAPUnified::coeff(int narg, char **arg)
{
  if (!model) error->all(FLERR, std::string("pair_coeff before pair_style mliap unified FILE"));
  if (narg < 2 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0)
    error->all(FLERR, std::string("pair_style mliap unified needs: pair_coeff * * ELEMENT ..."));
  if (narg - 2 != atom->ntypes)
    error->all(FLERR, "pair_coeff * * of mliap needs an element, or NULL, for each of " + std::to_string(atom->ntypes) +
                          " atom types, not " + std::to_string(narg - 2));
  if (!allocated) allocate();
  map_types(arg + 2);
  log_notice();
}

void PairMLIAPUnified::map_types(char **names)
{
  const auto &known = model->elements();
  for (int type = 1; type <= atom->ntypes; type++) {
    const std::string name = names[type - 1];
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end() && name != "NULL")
      error->all(FLERR, "pair_coeff: the model has no element " + name + ", it has" + listed(known));
    map[type] = found == known.end() ? -1 : static_cast<int>(found - known.begin());
  }
  for (int i = 1; i <= atom->ntypes; i++)
    for (int j = i; j <= atom->ntypes; j++) setflag[i][j] = map[i] >= 0 && map[j] >= 0;
}

void PairMLIAPUnified::log_notice()
{
  std::vector<std::string> in_use;
  for (int type = 1; type <= atom->ntypes; type++)
    if (map[type] >= 0) in_use.push_back(model->elements()[map[type]]);
  std::string line;
  on_all_ranks([&] {
    const Lock lock;
    line = model->notice(in_use);
  });
  if (comm->me == 0 && !line.empty()) utils::logmesg(lmp, line + "\n");
}

void PairMLIAPUnified::init_style()
{
  if (!force->newton_pair) error->all(FLERR, std::string("pair_style mliap unified needs newton on"));
  neighbor->add_request(this, NeighConst::REQ_FULL);
  warn_about_heat_flux(lmp);
}

double PairMLIAPUnified::init_one(int i, int j)
{
  if (!setflag[i][j])
    error->all(FLERR, std::string("all pair coeffs are not set: NULL types need another style in a hybrid style"));
  return model->cutoff();
}

// --- each step -----------------------------------------------------------------------------------------------

void PairMLIAPUnified::compute(int eflag, int vflag)
{
  if (neighbor->ago == 0) require_bonded_neighbors();
  ev_init(eflag, vflag);
  std::string failure;
  try {
    gather(eflag, vflag);
    const Lock lock;
    model->compute(data);
  } catch (const std::exception &error) {
    failure = error.what();
  }
  if (!failure.empty()) stop("pair_style mliap unified: " + failure);    // without the lock
  tally();
  if (vflag_fdotr) virial_fdotr_compute();
}

// After every new neighbor list, since bonds may be new: not in init_style, where a hybrid style has not set its own
// factors yet.
void PairMLIAPUnified::require_bonded_neighbors()
{
  const double *factors = force->special_lj;
  if (atom->molecular == Atom::ATOMIC || (factors[1] == 1.0 && factors[2] == 1.0 && factors[3] == 1.0)) return;
  on_all_ranks([&] {
    const std::string kind = missing_bonded_neighbors(*atom, *force, map);
    if (!kind.empty())
      throw std::runtime_error("special_bonds takes " + kind +
                               " neighbors, which bonds connect, from the model, and it "
                               "needs them all: add the line 'special_bonds lj/coul 1 1 1'");
  });
}

void PairMLIAPUnified::tally()
{
  if (eflag_global) eng_vdwl += data.energy;
  if (!eflag_atom) return;
  for (int ii = 0; ii < data.nlistatoms; ii++) eatom[data.iatoms.get()[ii]] += data.eatoms.get()[ii];
}

double PairMLIAPUnified::memory_usage()
{
  return Pair::memory_usage() + static_cast<double>(data.bytes());
}

}    // namespace acnn
