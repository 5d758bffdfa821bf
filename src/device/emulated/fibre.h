#pragma once
/* Private to device/emulated: contexts with a stack each, and the switch between them. */

#include <cstddef>

namespace lt_emu {

struct fibre {
    void *sp;
    char *stack; /* lowest address */
};

enum { FIBRES_MAX = 1024 }; /* threads of a block */

/* Local.  Fibre i is ready to run `entry`, which never returns. */
void fibre_reset(fibre *f, size_t i, void (*entry)());
/* Local.  From the running context (from) into another; `leaving`: from is never entered again.  The context of the caller of run_grid is fibre_main(). */
void fibre_switch(fibre *from, fibre *to, bool leaving);
fibre *fibre_main();
/* Local.  First call of an entry: completes the switch. */
void fibre_entered();
/* Local.  Whether p lies on a stack of a fibre. */
bool fibre_on_stack(const void *p);
/* Local.  Whether it lies on this one's. */
bool fibre_owns(const fibre *f, const void *p);
/* Local.  The highest address of its stack, 16-byte aligned; what lies there is given up. */
char *fibre_top(fibre *f);

} // namespace lt_emu
