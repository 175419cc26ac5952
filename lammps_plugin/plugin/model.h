// A unified model: any Python object with what LAMMPS' MLIAPUnified has.
#pragma once

#include "pair_data.h"

#include <string>
#include <vector>

namespace acnn {

class Model {
 public:
  // Of a file that acnn wrote; "EXISTS" stands for a model that Python handed over.
  explicit Model(const std::string &file);
  ~Model();
  Model(const Model &) = delete;
  Model &operator=(const Model &) = delete;

  // Energies and forces of one step.
  void compute(PairData &data);

  // A line for the log of a run with these elements; empty if the model has nothing to say.
  std::string notice(const std::vector<std::string> &in_use) const;

  double cutoff() const { return cutoff_; }
  const std::vector<std::string> &elements() const { return elements_; }

  // What `fix pair` may ask for, by name.
  const std::vector<std::string> &site_properties() const { return site_properties_; }
  int ndescriptors() const { return ndescriptors_; }
  int nparams() const { return nparams_; }

 private:
  Object attribute(const char *name) const;
  int integer(const char *name) const;
  std::vector<std::string> names(const char *attribute) const;
  void show(PairData &data);

  Object model, object;    // object: shows `shown` to Python
  PairData *shown = nullptr;
  std::vector<std::string> elements_, site_properties_;
  double cutoff_ = 0.0;
  int ndescriptors_ = 0, nparams_ = 0;
};

}    // namespace acnn
