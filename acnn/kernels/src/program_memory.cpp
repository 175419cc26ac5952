#include "program_memory.h"

#include <stdexcept>

namespace acnn {

namespace {

template <class Vector>
const Vector &find(const std::map<std::string, Vector> &arrays, const std::string &name) {
    const auto found = arrays.find(name);
    if (found == arrays.end()) throw std::invalid_argument("the program has no array " + name);
    return found->second;
}

}  // namespace

const std::vector<int32_t> &Arrays::of_int(const std::string &name) const { return find(integers, name); }
bool Arrays::is_energy() const { return reals.count("reference_energies") > 0; }
bool Arrays::has_members() const { return integers.count("members") > 0; }
const std::vector<double> &Arrays::of_real(const std::string &name) const { return find(reals, name); }

template <class T>
const T *StoredProgram<T>::keep(const std::vector<double> &source) {
    values.emplace_back(source.begin(), source.end());
    return values.back().data();
}

std::vector<int32_t> element_index_of(const Arrays &arrays) {
    const auto &numbers = arrays.of_int("numbers");
    std::vector<int32_t> element(256, -1);
    for (size_t z = 0; z < numbers.size(); ++z) element.at(numbers[z]) = (int32_t)z;
    return element;
}

template <class T>
RadialForms<T>::RadialForms(const Arrays &arrays, const std::string &prefix, int n_pairs) {
    if (!arrays.reals.count(prefix + "table")) {
        const auto &source = arrays.of_real(prefix + "transforms");
        for (int i = 0; i < n_pairs; ++i) {
            const auto at = [&](int k) { return (T)source.at(7 * i + k); };
            transforms.push_back({at(0), at(1), at(2), at(3), at(4), at(5), at(6), (T)(1 / source.at(7 * i))});
        }
        return;
    }
    const auto &source = arrays.of_real(prefix + "table"), &knots = arrays.of_real(prefix + "table_knots");
    const int32_t n_intervals = arrays.of_int(prefix + "table_sizes").at(0);
    const int32_t n_functions = arrays.of_int(prefix + "table_sizes").at(1);
    const size_t length = (size_t)n_intervals * n_functions * 6;
    if (source.size() != n_pairs * length) throw std::invalid_argument("a radial table of another size than it says");
    coefficients.assign(source.begin(), source.end());
    for (int i = 0; i < n_pairs; ++i)
        tables.push_back(
            {n_intervals, n_functions, (T)knots.at(0), (T)(1 / knots.at(1)), coefficients.data() + i * length});
    transforms.assign(n_pairs, {1, 1, 1, 1, 0, 0, 0, 1});
}

template <class T>
StoredProgram<T>::StoredProgram(const Arrays &arrays) {
    const auto &tile_sizes = arrays.of_int("tile_sizes");
    if (tile_sizes.at(0) != COMPLEX_TILE || tile_sizes.at(1) != REAL_TILE)
        throw std::invalid_argument("the program was compiled for a kernel with tiles of other sizes");
    set_shared(arrays);
    for (int z = 0; z < program.n_elements; ++z) {
        const std::string own = std::to_string(z) + ".";
        ElementProgram<T> e = features(arrays, own);
        if (arrays.is_energy() || arrays.has_members())
            set_energy(arrays, own, e);
        else
            set_invariants(arrays, own, e);
        elements.push_back(e);
    }
    program.elements = elements.data();
}

template <class T>
void StoredProgram<T>::set_shared(const Arrays &arrays) {
    const auto &sizes = arrays.of_int("sizes");
    program.n_elements = sizes.at(0);
    program.l_max = sizes.at(1);
    program.zbl = sizes.at(2);
    program.n_members = arrays.has_members() ? arrays.of_int("members").at(0) : 1;
    const auto &cutoffs = arrays.of_real("cutoffs");
    program.cutoff = (T)cutoffs.at(0);
    program.pair_cutoff = (T)cutoffs.at(1);
    program.reach = (T)cutoffs.at(2);
    program.recurrence = recurrence(arrays.of_real("recurrence"));
    program.pair_recurrence = recurrence(arrays.of_real("pair_recurrence"));
    const auto n_harmonics = arrays.of_real("harmonics").size() / 3;
    program.alpha = keep(arrays.of_real("harmonics"));
    program.beta = program.alpha + n_harmonics;
    program.slope = program.beta + n_harmonics;
    const int pairs = program.n_elements * program.n_elements;
    program.zbl_length = keep(arrays.of_real("zbl"));
    program.zbl_reach = program.zbl_length + pairs;
    program.zbl_strength = program.zbl_reach + pairs;
}

template <class T>
ElementProgram<T> StoredProgram<T>::features(const Arrays &arrays, const std::string &own) {
    ElementProgram<T> e{};
    e.n_blocks = (int32_t)arrays.of_int(own + "blocks").size() / 4;
    e.n_rows = arrays.of_int(own + "n_rows").at(0);
    e.n_groups = (int32_t)arrays.of_int(own + "groups").size() / 3;
    e.blocks = (const Block *)arrays.of_int(own + "blocks").data();
    e.n_radial = arrays.of_int(own + "n_radial").data();
    radial.emplace_back(arrays, own, program.n_elements);
    e.transforms = radial.back().transforms.data();
    e.tables = radial.back().first_table();
    radial.emplace_back(arrays, own + "pair_", program.n_elements);
    e.pair_transforms = radial.back().transforms.data();
    e.pair_tables = radial.back().first_table();
    e.groups = (const ProductGroup *)arrays.of_int(own + "groups").data();
    e.products = (const Product *)arrays.of_int(own + "products").data();
    return e;
}

template <class T>
void StoredProgram<T>::set_energy(const Arrays &arrays, const std::string &own, ElementProgram<T> &e) {
    const auto &sizes = arrays.of_int("sizes");
    e.n_idle = (int32_t)arrays.of_int(own + "idle").size();
    e.idle = arrays.of_int(own + "idle").data();
    e.n_scalar = sizes.at(3);
    e.n_pair = sizes.at(4);
    e.scalar_coefficients = keep(arrays.of_real(own + "scalar_coefficients"));
    e.pair_coefficients = keep(arrays.of_real(own + "pair_coefficients"));
    e.complex_tiles = tiles(arrays, own + "complex", COMPLEX_TILE);
    e.real_tiles = tiles(arrays, own + "real", REAL_TILE);
    if (!arrays.has_members()) return;
    e.complex_form = form(arrays, own + "complex_form");
    e.real_form = form(arrays, own + "real_form");
}

template <class T>
void StoredProgram<T>::set_invariants(const Arrays &arrays, const std::string &own, ElementProgram<T> &e) {
    Invariants<T> &b = e.invariants;
    e.n_pair_functions = arrays.of_int("sizes").at(4);
    e.pair_columns = arrays.of_int(own + "pair_columns").data();
    b.n_functions = (int32_t)arrays.of_real(own + "inverse_order").size();
    b.n_entries = (int32_t)arrays.of_int(own + "component").size();
    b.first_column = arrays.of_int(own + "first_column").at(0);
    b.entry_start = arrays.of_int(own + "entry_start").data();
    b.component = arrays.of_int(own + "component").data();
    b.term_start = arrays.of_int(own + "term_start").data();
    b.term_row = arrays.of_int(own + "term_row").data();
    b.term_value = keep(arrays.of_real(own + "term_value"));
    b.inverse_order = keep(arrays.of_real(own + "inverse_order"));
    b.linear_start = arrays.of_int(own + "linear_start").data();
    b.linear_n = arrays.of_int(own + "linear_n").data();
    b.linear_value = keep(arrays.of_real(own + "linear_value"));
    b.linear_row = arrays.of_int(own + "linear_row").data();
}

template <class T>
Recurrence<T> StoredProgram<T>::recurrence(const std::vector<double> &source) {
    const T *first = keep(source);
    const auto n = source.size() / 3;
    return {first, first + n, first + 2 * n};
}

template <class T>
Tiles<T> StoredProgram<T>::tiles(const Arrays &arrays, const std::string &name, int size) {
    const auto &rows = arrays.of_int(name + ".rows");
    return {
        (int32_t)rows.size() / size, rows.data(), arrays.of_int(name + ".start").data(),
        arrays.of_int(name + ".columns").data(), keep(arrays.of_real(name + ".coefficients"))};
}

template <class T>
Form<T> StoredProgram<T>::form(const Arrays &arrays, const std::string &name) {
    const auto &rows = arrays.of_int(name + ".rows");
    return {
        (int32_t)rows.size(), rows.data(), arrays.of_int(name + ".start").data(),
        arrays.of_int(name + ".columns").data(), keep(arrays.of_real(name + ".values"))};
}

template struct RadialForms<double>;
template struct RadialForms<float>;
template struct StoredProgram<double>;
template struct StoredProgram<float>;

}  // namespace acnn
