// Codecs for Python: a packet at a time, for tests, measurements and tools; calls never come by here.
#pragma once

#include <nanobind/nanobind.h>

namespace ramal {

void bind_codecs(nanobind::module_& module);

}  // namespace ramal
