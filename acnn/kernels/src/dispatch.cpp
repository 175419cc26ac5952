#include "dispatch.h"

#include <stdexcept>

// Defined by linear_kernels.cpp and embedding_kernels.cpp, once per instruction set; CMakeLists.txt says which were built.
extern "C" {
const acnn::InstructionSet *acnn_linear_kernels_generic();
const acnn::EmbeddingInstructions *acnn_embedding_kernels_generic();
#ifdef ACNN_HAS_x86_64_v2
const acnn::InstructionSet *acnn_linear_kernels_x86_64_v2();
const acnn::EmbeddingInstructions *acnn_embedding_kernels_x86_64_v2();
#endif
#ifdef ACNN_HAS_x86_64_v3
const acnn::InstructionSet *acnn_linear_kernels_x86_64_v3();
const acnn::EmbeddingInstructions *acnn_embedding_kernels_x86_64_v3();
#endif
#ifdef ACNN_HAS_x86_64_v4
const acnn::InstructionSet *acnn_linear_kernels_x86_64_v4();
const acnn::EmbeddingInstructions *acnn_embedding_kernels_x86_64_v4();
#endif
}

namespace acnn {

namespace {

struct Candidate {
    const char *name;
    bool runs;
    const InstructionSet *(*kernels)();
    const EmbeddingInstructions *(*embedding)();
};

// The same features as in CMakeLists.txt. The builtin looks at the operating system too.
std::vector<Candidate> candidates() {
    std::vector<Candidate> found;
#ifdef __x86_64__
    __builtin_cpu_init();
    const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
#ifdef ACNN_HAS_x86_64_v4
    found.push_back({"x86-64-v4", v4, acnn_linear_kernels_x86_64_v4, acnn_embedding_kernels_x86_64_v4});
#endif
#ifdef ACNN_HAS_x86_64_v3
    found.push_back({"x86-64-v3", v3, acnn_linear_kernels_x86_64_v3, acnn_embedding_kernels_x86_64_v3});
#endif
#ifdef ACNN_HAS_x86_64_v2
    found.push_back({"x86-64-v2", v2, acnn_linear_kernels_x86_64_v2, acnn_embedding_kernels_x86_64_v2});
#endif
#endif
    found.push_back({"generic", true, acnn_linear_kernels_generic, acnn_embedding_kernels_generic});
    return found;
}

Candidate candidate_of(const std::string &name) {
    for (const auto &candidate : candidates())
        if (candidate.name == name && candidate.runs) return candidate;
    throw std::invalid_argument("this processor does not run the instruction set " + name);
}

}  // namespace

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const auto &candidate : candidates())
        if (candidate.runs) names.emplace_back(candidate.name);
    return names;
}

const InstructionSet *kernels_of(const std::string &name) { return candidate_of(name).kernels(); }

const EmbeddingInstructions *embedding_kernels_of(const std::string &name) { return candidate_of(name).embedding(); }

}  // namespace acnn
