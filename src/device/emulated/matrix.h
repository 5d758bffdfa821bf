#pragma once
/* Private to device/emulated: the matrix operations of a warp whose lanes have all come. */

#include "device/emulated/grid_impl.h"

namespace lt_emu {
void matrix_multiply(const meeting *m);
void matrix_load(warp *w, const meeting *m);
} // namespace lt_emu
