// What LAMMPS calls when it loads the plugin.
#include "fix_monitor.h"
#include "pair_mliap_unified.h"

#include "force.h"
#include "lammps.h"

#include <cstdio>
#include <dlfcn.h>

#ifndef ACNN_LAMMPS_VERSION
#error "ACNN_LAMMPS_VERSION is the version of the headers, like 20250722: build with plugin_build.py"
#endif

// Of LAMMPS' C interface, which keeps its meaning when classes change their layout.
extern "C" {
int lammps_version(void *lmp);
int lammps_extract_setting(void *lmp, const char *keyword);
}

namespace {

// LAMMPS' description of a plugin (its lammpsplugin.h, which is not installed).
struct Description {
  const char *version, *style, *name, *info, *author;
  union {
    void *(*of_instance)(void *);
    void *(*of_arguments)(void *, int, char **);
  } creator;
  void *handle;
};

using Register = void (*)(Description *, void *);
using Pair = acnn::PairMLIAPUnified;

void *create(void *lmp)
{
  return static_cast<LAMMPS_NS::Pair *>(new Pair(static_cast<LAMMPS_NS::LAMMPS *>(lmp)));
}

void *create_monitor(void *lmp, int narg, char **arg)
{
  return static_cast<LAMMPS_NS::Fix *>(new acnn::FixMonitor(static_cast<LAMMPS_NS::LAMMPS *>(lmp), narg, arg));
}

// Classes of another version may be laid out differently: then nothing of LAMMPS but its C interface is touched.
bool fits(void *lmp)
{
  const int version = lammps_version(lmp);
  const bool same_integers = lammps_extract_setting(lmp, "tagint") == int(sizeof(LAMMPS_NS::tagint));
  if (version == ACNN_LAMMPS_VERSION && same_integers) return true;
  if (lammps_extract_setting(lmp, "world_rank") == 0)
    std::fprintf(stderr, "acnn: the plugin for pair_style mliap was built for LAMMPS %d%s, this is %d: not loaded\n",
                 ACNN_LAMMPS_VERSION, same_integers ? "" : " with other integer sizes", version);
  return false;
}

// Python keeps pointers into this library, and `plugin unload` would take it away.
void stay_in_memory()
{
  Dl_info information;
  if (dladdr(reinterpret_cast<void *>(&create), &information))
    dlopen(information.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

void remember_builtin(LAMMPS_NS::LAMMPS *lmp)
{
  const auto &styles = *lmp->force->pair_map;
  const auto found = styles.find("mliap");
  const auto ours = reinterpret_cast<Pair::Creator>(&create);
  if (found != styles.end() && found->second != ours) Pair::builtin = found->second;
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle, void *function)
{
  if (!fits(lmp)) return;
  auto *instance = static_cast<LAMMPS_NS::LAMMPS *>(lmp);
  stay_in_memory();
  remember_builtin(instance);
  Description plugin{};
  plugin.version = instance->version;
  plugin.style = "pair";
  plugin.name = "mliap";
  plugin.info = "pair style mliap unified";
  plugin.author = "acnn";
  plugin.creator.of_instance = create;
  plugin.handle = handle;
  reinterpret_cast<Register>(function)(&plugin, lmp);
  plugin.style = "fix";
  plugin.name = "acnn/monitor";
  plugin.info = "fix style acnn/monitor";
  plugin.creator.of_arguments = create_monitor;
  reinterpret_cast<Register>(function)(&plugin, lmp);
}
