// Properties of atoms that an input asks for: `fix property/atom` at every step, or every few; `fix pair` when it says so.
#include "pair_mliap_unified.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "input.h"
#include "update.h"
#include "utils.h"
#include "variable.h"

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

namespace acnn {

namespace {

constexpr char SUFFIX[] = "_flag", PREFIX[] = "acnn_", EVERY[] = "acnn_every";

// The name before the suffix; empty if there is none.
std::string before_suffix(const std::string &text)
{
  const std::size_t length = std::strlen(SUFFIX);
  if (text.size() <= length || text.compare(text.size() - length, length, SUFFIX) != 0) return "";
  return text.substr(0, text.size() - length);
}

bool is_room(const char *name)
{
  return name && std::strncmp(name, PREFIX, std::strlen(PREFIX)) == 0;
}

}    // namespace

// What `fix pair ID all pair 10 mliap gamma 1` sets to 1 before the steps at which it wants gamma.
void *PairMLIAPUnified::extract(const char *name, int &dim)
{
  const std::string wanted = before_suffix(name);
  if (!model || wanted.empty()) return nullptr;
  dim = 0;
  const auto &known = model->site_properties();
  if (std::find(known.begin(), known.end(), wanted) != known.end()) return &fields[wanted].wanted;
  std::string choices;
  for (const auto &choice : known) choices += (choices.empty() ? "" : ", ") + choice;
  if (comm->me == 0) error->warning(FLERR, "this model has no " + wanted + " of single atoms: choose from " + choices);
  return nullptr;
}

void *PairMLIAPUnified::extract_peratom(const char *name, int &columns)
{
  columns = 0;
  const auto found = fields.find(name);
  return found == fields.end() || found->second.step != update->ntimestep ? nullptr : found->second.values.data();
}

void PairMLIAPUnified::gather_fields()
{
  data.rooms.clear();
  for (auto &[name, field] : fields) {
    if (!field.wanted) continue;
    field.values.assign(std::max(atom->nlocal, 1), 0.0);
    field.step = update->ntimestep;
    data.rooms.emplace_back(name.c_str(), field.values.data());
  }
}

// Atoms move between ranks, and with them the memory of their properties.
void PairMLIAPUnified::gather_rooms()
{
  if (std::none_of(atom->dvname, atom->dvname + atom->ndvector, is_room) || !is_due()) return;
  for (int k = 0; k < atom->ndvector; k++)
    if (is_room(atom->dvname[k])) data.rooms.emplace_back(atom->dvname[k], atom->dvector[k]);
}

// `variable acnn_every index 10` leaves out the steps between, at which the rooms keep their values.
bool PairMLIAPUnified::is_due()
{
  const char *text = input->variable->retrieve(EVERY);
  if (!text) return true;
  const bigint every = utils::bnumeric(FLERR, text, false, lmp);
  if (every < 1) throw std::runtime_error(std::string("variable acnn_every must be at least 1 step, not ") + text);
  return update->ntimestep % every == 0;
}

}    // namespace acnn
