#pragma once
/* Private to device/emulated: what its files share.
 *
 *   table.cpp    the table of device/gpu.h            grid.cpp    runs a kernel: blocks, threads, the scheduler
 *   device.cpp   count, open, what the device is      fibre.cpp   contexts of threads and the switch between them
 *   memory.cpp   addresses, allocations, guard zones  barrier.cpp warp.cpp matrix.cpp shared.cpp async.cpp   what threads do together
 *   stream.cpp   streams, events, copies              blas.cpp coll.cpp   twins of the libraries
 *   report.cpp   what was found */

#include "device/emulated/thread.h"
#include "device/gpu.h"

#include <cstddef>
#include <cstdint>

namespace lt_emu {

/* report.cpp.  Something is wrong with the program under test.  As with a GPU the device is lost: every later call fails with the first text found. */
void found(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for the running thread: names kernel, block and thread (and the line if at.file), and ends the kernel. */
[[noreturn]] void found_in_kernel(place at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool is_lost();
lt_status lost(const char *file, int line, const char *func); /* CUDA, with what was found */
/* Returns if the device is lost. */
#define LT_EMU_ALIVE()                                                                                                                     \
    do {                                                                                                                                   \
        if (lt_emu::is_lost()) return lt_emu::lost(__FILE__, __LINE__, __func__);                                                          \
    } while (0)

/* device.cpp: numbers below `below`, from LT_EMU_SEED. */
uint32_t draw(uint32_t below);
extern lt_gpu_counts counts;

/* grid.cpp: runs a kernel to its end.  params: a copy that lives as long. */
struct launch_args;
void run_grid(const launch_args &l);
const char *kernel_name();

/* memory.cpp. */
enum memory_kind { MEMORY_NONE, MEMORY_DEVICE, MEMORY_MANAGED, MEMORY_PINNED };
/* Bytes from p to the end of the live allocation that p lies in; 0 = none. */
size_t room(const void *p, memory_kind *kind);
/* All pitches of rows fit the allocation that p lies in; else found() and false. */
bool fits(const char *what, const void *p, size_t pitch, size_t row_bytes, int64_t rows);
/* Bytes around allocations are as they were; else found(), with the name of what ran. */
void check_guards(const char *what);
lt_status alloc(size_t bytes, const char *what, void **p);
lt_status alloc_managed(size_t bytes, void **p);
lt_status alloc_host(size_t bytes, const char *what, void **p);
void release(void *p);
lt_status memory_free(size_t *free_bytes, size_t *total);

/* shared.cpp: memory of one block. */
void shared_begin(size_t dynamic_bytes);
void shared_end();
bool is_shared(const void *p, size_t bytes);

/* blas.cpp, coll.cpp. */
lt_status gemm_algos(const lt_gpu_gemm *g, bool with_ws, lt_gpu_algo *algo, int max, int *n);
lt_status gemm(lt_stream *s, const lt_gpu_gemm *g, const lt_gpu_algo *algo, void *ws);

} // namespace lt_emu
