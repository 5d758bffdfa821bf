/* The device that is pretended, and its dice. */
#include "device/emulated/emulated.h"
#include "device/emulated/emulated_impl.h"
#include "device/emulated/number.h"
#include "device/emulated/table.h"

#include <cstdio>
#include <cstdlib>

namespace lt_emu {

lt_gpu_counts counts;

static uint64_t state;

static uint64_t seed_of(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, nullptr, 10) : otherwise;
}

/* xorshift64*: good enough for orders, a few cycles. */
uint32_t draw(uint32_t below) {
    if (!state) lt_emulated_seed(seed_of("LT_EMU_SEED", 1));
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(((state * 0x2545F4914F6CDD1DULL >> 32) * below) >> 32);
}

lt_status count(int *n, char *why, size_t bytes) {
    *n = 1;
    if (bytes) *why = 0;
    return LT_OK;
}

lt_status open_device(int device, lt_gpu_info *info) {
    LT_CHECK(device == LT_GPU_OPENED || device == 0, LT_ERR_CUDA, "CUDA (emulated): there is no device %d", device);
    *info = lt_gpu_info{};
    (void)snprintf(info->name, sizeof info->name, "emulated GPU");
    (void)snprintf(info->bus_id, sizeof info->bus_id, "0000:00:00.0");
    (void)snprintf(info->uuid, sizeof info->uuid, "GPU-00000000-0000-0000-0000-000000000000");
    info->major = 9;
    info->sms = 4;
    info->l2 = 50 << 20;
    info->smem_block = 227 << 10;
    info->driver = info->runtime = 13000;
    info->blas = 130000;
    size_t left;
    return memory_free(&left, &info->memory);
}

const lt_gpu_counts *get_counts() { return &counts; }

} // namespace lt_emu

void lt_emulated_seed(uint64_t seed) { lt_emu::state = (seed + 1) * 0x9E3779B97F4A7C15ULL | 1; }

namespace lt_space_emulated {

uint32_t lt_round_e4m3x2(float low, float high) { return lt_round_e4m3(low) | (uint32_t)lt_round_e4m3(high) << 8; }

} // namespace lt_space_emulated
