// Memory of the tensors that come and go with every step.
#pragma once

#include <cstddef>

namespace ppcls {

// Memory for `bytes`, its contents anything, or null if there is none; `release` takes it back.
void* allocate(size_t bytes);
void release(void* data);

}  // namespace ppcls
