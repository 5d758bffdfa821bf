/* Clocks of pieces of work. */
#include "device/emulated/order.h"
#include "device/emulated/emulated_impl.h"

#include <algorithm>

namespace lt_emu {

struct op {
    uint32_t lane, place;
    clock before; /* and itself */
};
static std::vector<op> ops(1);
clock host_knows;

void clock_join(clock *a, const clock &b) {
    if (!RACE) return;
    if (a->size() < b.size()) a->resize(b.size());
    for (size_t i = 0; i < b.size(); i++) (*a)[i] = std::max((*a)[i], b[i]);
}

uint32_t op_new(uint32_t lane, clock *known) {
    if (!RACE) return 1;
    if (known->size() <= lane) known->resize(lane + 1);
    uint32_t place = ++(*known)[lane];
    ops.push_back({lane, place, *known});
    return (uint32_t)ops.size() - 1;
}

bool op_before(uint32_t a, uint32_t b) {
    const op &x = ops[a], &y = ops[b];
    return a == 0 || a == b || (x.lane < y.before.size() && y.before[x.lane] >= x.place);
}

const clock &op_clock(uint32_t o) { return ops[RACE ? o : 0].before; }

} // namespace lt_emu
