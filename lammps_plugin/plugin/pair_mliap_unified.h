// `pair_style mliap unified FILE`, for a LAMMPS whose own `mliap` cannot run Python.
#pragma once

#include "exclusions.h"
#include "model.h"

#include "pair.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace acnn {

class PairMLIAPUnified : public LAMMPS_NS::Pair {
 public:
  using Creator = LAMMPS_NS::Pair *(*)(LAMMPS_NS::LAMMPS *);

  explicit PairMLIAPUnified(LAMMPS_NS::LAMMPS *lmp);
  ~PairMLIAPUnified() override;

  void settings(int narg, char **arg) override;
  void coeff(int narg, char **arg) override;
  void init_style() override;
  double init_one(int i, int j) override;
  void compute(int eflag, int vflag) override;
  double memory_usage() override;
  void *extract(const char *name, int &dim) override;
  void *extract_peratom(const char *name, int &columns) override;

  static Creator builtin;    // of the style that this one replaces, or null

 private:
  void hand_over_to_builtin(int narg, char **arg);
  void load_model(const std::string &file);
  void unload_model();
  void allocate();
  void clear_types();
  void map_types(char **names);
  void log_notice();

  void require_bonded_neighbors();
  void gather(int eflag, int vflag);
  void reserve();
  void gather_elements();
  void gather_centers();
  void gather_rooms();
  void gather_fields();
  bool is_due();
  Exclusions find_exclusions();
  int gather_neighbors(int i, int ij);
  void tally();

  void on_all_ranks(const std::function<void()> &action);
  [[noreturn]] void stop(const std::string &message);

  // A property of atoms that `fix pair` asks for at some steps. LAMMPS keeps the address of `wanted`.
  struct Field {
    int wanted = 0;
    LAMMPS_NS::bigint step = -1;    // at which the values were found
    std::vector<double> values;     // (nlocal)
  };

  std::unique_ptr<Model> model;
  std::map<std::string, Field> fields;
  PairData data;
  bool warned = false;    // of exclusions
};

}    // namespace acnn
