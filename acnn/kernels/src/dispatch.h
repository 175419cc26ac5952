// Which instruction sets were built in, and which of them this processor has.
#pragma once

#include <string>
#include <vector>

#include "embedding_views.h"
#include "program_views.h"

namespace acnn {

std::vector<std::string> instruction_sets();                // best first
const InstructionSet *kernels_of(const std::string &name);  // throws for a name that cannot run here
const EmbeddingInstructions *embedding_kernels_of(const std::string &name);

}  // namespace acnn
