#pragma once
/* Private to device/emulated: what happens before what, among pieces of work (for the race build; other builds keep nothing).
 *
 * A clock says of each lane (stream, or stream of a graph) how many of its pieces come before. */

#include <cstdint>
#include <vector>

namespace lt_emu {

using clock = std::vector<uint32_t>;

/* Local.  a := what happens before either. */
void clock_join(clock *a, const clock &b);
/* Local.  A new piece of work of a lane behind `known`, which then contains it; its number, from 1. */
uint32_t op_new(uint32_t lane, clock *known);
/* Local.  Whether a is over before b begins; 0 is before everything. */
bool op_before(uint32_t a, uint32_t b);
const clock &op_clock(uint32_t op);
/* Local.  What the host has waited for. */
extern clock host_knows;

} // namespace lt_emu
