#pragma once
/* Private to device/emulated: what its files share.
 *
 *   table.cpp    the table of device/gpu.h             grid.cpp     runs a kernel: blocks, threads, the scheduler
 *   device.cpp   count, open, what the device is       fibre.cpp    contexts of threads and the switch between them
 *   memory.cpp   addresses, allocations, guard zones   barrier.cpp warp.cpp matrix.cpp shared.cpp async.cpp   what threads do together
 *   stream.cpp   queues, and who goes on               event.cpp graph.cpp copy.cpp   what is enqueued
 *   blas.cpp coll.cpp   twins of the libraries         report.cpp signal.cpp   what was found
 *   order.cpp    what happens before what              fault.cpp    failures asked for by LT_EMU_FAIL
 *   shadow.cpp hooks.cpp   the race build: each access of a kernel is looked at */

#include "device/emulated/thread.h"
#include "device/gpu.h"
#include "device/words_impl.h"

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace lt_emu {

/* Entries may be called from several threads: one at a time is inside. */
struct gate {
    gate();
    ~gate();
};

/* report.cpp.  Something is wrong with the program under test.  As with a GPU the device is lost: every later call fails with the first text found. */
void found(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for the running thread: names kernel, block, thread and line, and ends the kernel. */
[[noreturn]] void found_in_kernel(place at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The line by an address of the program. */
[[noreturn]] void found_at(const void *pc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *line_of(const void *pc, char *text, size_t bytes); /* "norm.cu:33" */
/* A failure of the hardware instead (fault.cpp); it stays. */
void broke(lt_gpu_failure kind, const char *text, const char *name, const char *what);
bool is_lost();
lt_status lost(); /* the first of these as a status */

/* fault.cpp: LT_OK, or the failure that LT_EMU_FAIL wants of this call. */
lt_status injected(const char *call);
bool injected_hang(); /* what is enqueued next shall never end */
lt_status fault_check();
void read_plan();
/* What entries begin with. */
#define LT_EMU_ENTER(call)                                                                                                                 \
    do {                                                                                                                                   \
        if (lt_emu::is_lost()) return lt_emu::lost();                                                                                      \
        LT_TRY(lt_emu::injected(call));                                                                                                    \
    } while (0)
/* After found(). */
#define LT_EMU_ALIVE()                                                                                                                     \
    do {                                                                                                                                   \
        if (lt_emu::is_lost()) return lt_emu::lost();                                                                                      \
    } while (0)

/* device.cpp: dice, from LT_EMU_SEED: xorshift64*, good enough for orders, a few cycles. */
extern uint64_t dice_state, seed; /* state 0: not begun */
void dice_begin();
inline uint32_t draw_bits() {
    if (!dice_state) dice_begin();
    dice_state ^= dice_state >> 12;
    dice_state ^= dice_state << 25;
    dice_state ^= dice_state >> 27;
    return (uint32_t)(dice_state * 0x2545F4914F6CDD1DULL >> 32);
}
/* A number below `below`. */
inline uint32_t draw(uint32_t below) { return (uint32_t)((uint64_t)draw_bits() * below >> 32); }
extern lt_gpu_counts counts;
int64_t setting(const char *name, int64_t otherwise);
int device_open(const lt_gpu_info **info); /* its number; *info NULL: none */
lt_status words_no_room(size_t bytes, const char *kind, const char *what, size_t left);

/* grid.cpp: runs a kernel to its end.  params: a copy that lives as long. */
struct launch_args;
void run_grid(const launch_args &l);
const char *kernel_name();
bool in_kernel(); /* this thread runs one */
bool kernel_param(const void *p);

/* memory.cpp. */
enum memory_kind { MEMORY_NONE, MEMORY_DEVICE, MEMORY_MANAGED, MEMORY_PINNED };
lt_status memory_begin(); /* what the rest needs; NOMEM */
void memory_limit(size_t bytes);
void memory_open(), memory_close();
bool memory_is_open();
/* Bytes from p to the end of the live allocation that p lies in; 0 = none. */
size_t room(const void *p, memory_kind *kind);
bool is_end(const void *p); /* of an allocation: an array without elements */
/* All rows fit the allocation that p lies in; else found() and false. */
bool fits(const char *what, const void *p, size_t pitch, size_t row_bytes, int64_t rows);
/* What p is, in words. */
const char *describe(const void *p, char *text, size_t bytes);
/* Bytes around allocations are as they were; else found(), with the name of what ran. */
void check_guards(const char *what);
char *shared_base(); /* [SHARED_BYTES] at the beginning of the reserved range */
bool in_space(const void *p, size_t *at);
bool in_device_range(const void *p);
bool is_live(const void *p, size_t bytes); /* all of it in one allocation */
size_t space_bytes();
enum { SHARED_BYTES = 256 << 10 };
lt_status alloc(size_t bytes, const char *what, void **p);
lt_status alloc_managed(size_t bytes, void **p);
lt_status alloc_host(size_t bytes, const char *what, void **p);
void release(void *p);
void release_managed(void *p);
void release_host(void *p);
lt_status pin(void *p, size_t bytes);
void unpin(void *p);
lt_status memory_free(size_t *free_bytes, size_t *total);

/* shared.cpp: memory of one block. */
void shared_begin(size_t dynamic_bytes);
void shared_end();
bool is_shared(const void *p, size_t bytes);

/* fibre.cpp: stacks; NOMEM. */
lt_status fibres_begin();

/* signal.cpp. */
void signals_install();
void signals_of_thread();

/* Whether this is the race build. */
#ifdef LT_EMULATE_RACE
constexpr bool RACE = true;
#else
constexpr bool RACE = false;
#endif
/* blas.cpp, coll.cpp. */
lt_status gemm_algos(const lt_gpu_gemm *g, bool with_ws, lt_gpu_algo *algo, int max, int *n);
lt_status gemm(lt_stream *s, const lt_gpu_gemm *g, const lt_gpu_algo *algo, void *ws);

/* stream.cpp: runs everything that is enqueued; draws anew how late work runs. */
void drain();
void new_mood();

} // namespace lt_emu
