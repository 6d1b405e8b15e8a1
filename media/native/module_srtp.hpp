// SRTP for Python: the same code that endpoints use, on single packets.
#pragma once

#include <nanobind/nanobind.h>

namespace ramal {

void add_srtp(nanobind::module_& m);

}  // namespace ramal
