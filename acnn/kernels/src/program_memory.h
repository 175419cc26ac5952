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

// Radial functions of pairs of elements, with the memory of their tables; see acnn/kernels/radial.py. Beside tables there are
// transforms that are never used.
template <class T>
struct RadialForms {
    std::vector<Transform<T>> transforms;
    std::vector<RadialTable<T>> tables;
    std::vector<T> coefficients;

    RadialForms(const Arrays &arrays, const std::string &prefix, int n_pairs);

    const RadialTable<T> *first_table() const { return tables.empty() ? nullptr : tables.data(); }
};

// A program in one precision, with the memory its views point to.
template <class T>
struct StoredProgram {
    Program<T> program{};
    std::vector<ElementProgram<T>> elements;
    std::vector<std::vector<T>> values;
    std::vector<RadialForms<T>> radial;

    explicit StoredProgram(const Arrays &arrays);

  private:
    const T *keep(const std::vector<double> &source);
    void set_shared(const Arrays &arrays);
    // Densities and products, which every kind of program has.
    ElementProgram<T> features(const Arrays &arrays, const std::string &own);
    void set_energy(const Arrays &arrays, const std::string &own, ElementProgram<T> &e);
    void set_invariants(const Arrays &arrays, const std::string &own, ElementProgram<T> &e);
    // u, v, w [3, n].
    Recurrence<T> recurrence(const std::vector<double> &source);
    Tiles<T> tiles(const Arrays &arrays, const std::string &name, int size);
    Form<T> form(const Arrays &arrays, const std::string &name);
};

}  // namespace acnn
