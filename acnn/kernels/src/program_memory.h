// A program with the memory it lives in.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "program_views.h"

namespace acnn {

// The arrays of acnn/kernels/program.py, as they come from Python.
struct Arrays {
    std::map<std::string, std::vector<int32_t>> integers;
    std::map<std::string, std::vector<double>> reals;

    const std::vector<int32_t> &of_int(const std::string &name) const;
    const std::vector<double> &of_real(const std::string &name) const;
    bool is_energy() const;
    bool has_members() const;
};

// Element of every atomic number, -1 for those that are not in the program.
std::vector<int32_t> element_index_of(const Arrays &arrays);

// Transforms from rows of 1/r0, a, p, q, y_cut, x_scale, x_shift.
template <class T>
std::vector<Transform<T>> transforms_of(const std::vector<double> &source);

// A program in one precision, with the memory its views point to.
template <class T>
struct StoredProgram {
    Program<T> program{};
    std::vector<ElementProgram<T>> elements;
    std::vector<std::vector<T>> values;
    std::vector<std::vector<Transform<T>>> transforms;

    explicit StoredProgram(const Arrays &arrays);

  private:
    const T *keep(const std::vector<double> &source);
    const Transform<T> *keep_transforms(const std::vector<double> &source);
};

}  // namespace acnn
